import { Command } from 'commander'
import type { EndpointInfo } from '../../api/shapes.ts'
import { type Filters, filterOf, hasLabel } from '../arguments/filters.ts'
import { withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { endpointInfos, networkInfos, sandboxInfos } from '../output/infos.ts'
import { type ListFlags, printList, withListOptions } from '../output/listing.ts'
import { addressesOf, portsOf } from '../output/words.ts'

export function listCommand(): Command {
  const filters = 'name=, id=, network=, sandbox= or label=KEY'
  return withListOptions(withClientOptions(new Command('ls')), filters)
    .alias('list')
    .description('list endpoints')
    .addHelpText(
      'after',
      `
Examples:
  cnm endpoint ls
  cnm endpoint ls --filter network=web --no-trunc`,
    )
    .action(guarded(list))
}

interface Listed extends EndpointInfo {
  readonly networkName: string
  readonly sandboxName: string
}

const filters: Filters<Listed> = {
  name: ({ name }, text) => name.includes(text),
  id: ({ id }, text) => id.startsWith(text),
  network: ({ network, networkName }, text) => networkName === text || network === text,
  sandbox: ({ joined, sandboxName }, text) => sandboxName === text || joined?.sandbox === text,
  label: ({ labels }, text) => hasLabel(labels, text),
}

async function list(flags: ListFlags): Promise<number> {
  const isWanted = filterOf(flags.filter, filters)
  return withDaemon(flags, async (cnm) => {
    const [endpoints, networks, sandboxes] = await Promise.all([
      endpointInfos(cnm),
      networkInfos(cnm),
      sandboxInfos(cnm),
    ])
    const names = new Map([...networks, ...sandboxes].map(({ id, name }) => [id, name]))
    const listed = endpoints.map((each) => ({
      ...each,
      networkName: names.get(each.network) ?? '',
      sandboxName: names.get(each.joined?.sandbox ?? '') ?? '',
    }))
    const columns = [
      { heading: 'NAME', text: ({ name }: Listed) => name },
      { heading: 'NETWORK', text: ({ networkName }: Listed) => networkName },
      { heading: 'SANDBOX', text: ({ sandboxName }: Listed) => sandboxName },
      { heading: 'ADDRESSES', text: addressesOf },
      { heading: 'PORTS', text: portsOf },
    ]
    printList(listed.filter(isWanted), columns, flags)
  })
}
