import { Command } from 'commander'
import type { EndpointInfo, SandboxInfo } from '../../api/shapes.ts'
import { type Filters, filterOf, hasLabel } from '../arguments/filters.ts'
import { withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { endpointInfos, networkInfos, sandboxInfos } from '../output/infos.ts'
import { type ListFlags, printList, withListOptions } from '../output/listing.ts'
import { addressesOf } from '../output/words.ts'

export function listCommand(): Command {
  const filters = 'name=, id=, network=, origin= or label=KEY'
  return withListOptions(withClientOptions(new Command('ls')), filters)
    .alias('list')
    .description('list sandboxes')
    .addHelpText(
      'after',
      `
Examples:
  cnm sandbox ls
  cnm sandbox ls --filter network=web
  cnm sandbox ls --format json | jq -r .name`,
    )
    .action(guarded(list))
}

interface Listed extends SandboxInfo {
  /** Names of networks. */
  readonly networks: readonly string[]
  readonly endpoints: readonly EndpointInfo[]
}

const filters: Filters<Listed> = {
  name: ({ name }, text) => name.includes(text),
  id: ({ id }, text) => id.startsWith(text),
  network: ({ networks }, text) => networks.includes(text),
  origin: ({ origin }, text) => origin === text,
  label: ({ labels }, text) => hasLabel(labels, text),
}

async function list(flags: ListFlags): Promise<number> {
  const isWanted = filterOf(flags.filter, filters)
  return withDaemon(flags, async (cnm) => {
    const [sandboxes, endpoints, networks] = await Promise.all([
      sandboxInfos(cnm),
      endpointInfos(cnm),
      networkInfos(cnm),
    ])
    const nameOf = new Map(networks.map(({ id, name }) => [id, name]))
    const listed = sandboxes.map((each) => {
      const mine = endpoints.filter(({ joined }) => joined?.sandbox === each.id)
      const names = mine.map(({ network }) => nameOf.get(network) ?? network)
      return { ...each, networks: names, endpoints: mine }
    })
    const columns = [
      { heading: 'NAME', text: ({ name }: Listed) => name },
      { heading: 'ORIGIN', text: ({ origin }: Listed) => origin },
      { heading: 'NETWORKS', text: ({ networks }: Listed) => networks.join(', ') },
      {
        heading: 'ADDRESSES',
        text: ({ endpoints }: Listed) => endpoints.map(addressesOf).join(', '),
      },
    ]
    printList(listed.filter(isWanted), columns, flags)
  })
}
