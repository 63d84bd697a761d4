import { Command } from 'commander'
import type { NetworkInfo } from '../../api/shapes.ts'
import { type Filters, filterOf, hasLabel, isTrue } from '../arguments/filters.ts'
import { withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { endpointInfos, networkInfos } from '../output/infos.ts'
import { type ListFlags, printList, withListOptions } from '../output/listing.ts'
import { subnetsOf } from '../output/words.ts'

export function listCommand(): Command {
  const filters = 'name=, id=, driver=, label=KEY or dangling=true'
  return withListOptions(withClientOptions(new Command('ls')), filters)
    .alias('list')
    .description('list networks')
    .addHelpText(
      'after',
      `
Examples:
  cnm network ls
  cnm network ls --filter driver=bridge --filter label=team
  cnm network ls -q --filter dangling=true`,
    )
    .action(guarded(list))
}

interface Listed extends NetworkInfo {
  readonly endpoints: number
}

const filters: Filters<Listed> = {
  name: ({ name }, text) => name.includes(text),
  id: ({ id }, text) => id.startsWith(text),
  driver: ({ driver }, text) => driver === text,
  label: ({ labels }, text) => hasLabel(labels, text),
  dangling: ({ endpoints }, text) => (endpoints === 0) === isTrue(text),
}

async function list(flags: ListFlags): Promise<number> {
  const isWanted = filterOf(flags.filter, filters)
  return withDaemon(flags, async (cnm) => {
    const [networks, endpoints] = await Promise.all([networkInfos(cnm), endpointInfos(cnm)])
    const numbers = new Map<string, number>()
    for (const { network } of endpoints) numbers.set(network, (numbers.get(network) ?? 0) + 1)
    const listed = networks.map((each) => ({ ...each, endpoints: numbers.get(each.id) ?? 0 }))
    const columns = [
      { heading: 'NAME', text: ({ name }: Listed) => name },
      { heading: 'DRIVER', text: ({ driver }: Listed) => driver },
      { heading: 'SUBNETS', text: subnetsOf },
      { heading: 'ENDPOINTS', text: ({ endpoints }: Listed) => String(endpoints) },
    ]
    printList(listed.filter(isWanted), columns, flags)
  })
}
