import { Command } from 'commander'
import type { NetworkInfo } from '../../api/shapes.ts'
import { isCnmError } from '../../base/errors.ts'
import type { Controller } from '../../client/client.ts'
import { type Filters, filterOf, hasLabel } from '../arguments/filters.ts'
import { collect } from '../arguments/option-values.ts'
import { confirmed } from '../arguments/several.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { endpointInfos, networkInfos } from '../output/infos.ts'
import { printJson, printLine } from '../output/output.ts'

export function pruneCommand(): Command {
  return withClientOptions(new Command('prune'))
    .description('remove all networks without endpoints')
    .option('-f, --force', 'do not ask')
    .option(
      '--filter <filter>',
      'only those with label=KEY, label=KEY=VALUE or label!=…; may be repeated',
      collect,
      [],
    )
    .addHelpText(
      'after',
      `
Examples:
  cnm network prune
  cnm network prune --force --filter label=temporary`,
    )
    .action(guarded(prune))
}

const filters: Filters<NetworkInfo> = {
  label: ({ labels }, text) => hasLabel(labels, text),
  'label!': ({ labels }, text) => !hasLabel(labels, text),
}

interface Flags extends ClientFlags {
  readonly force?: boolean
  readonly filter: readonly string[]
}

async function prune(flags: Flags): Promise<number> {
  const isWanted = filterOf(flags.filter, filters)
  const question = 'Remove all networks without endpoints?'
  if (!flags.force && !(await confirmed(question, '--force'))) return 0
  return withDaemon(flags, async (cnm) => {
    const all = flags.filter.length === 0
    const removed = all ? await cnm.prune() : await pruneSome(cnm, isWanted)
    if (flags.json) printJson(removed)
    else for (const name of removed) printLine(name)
  })
}

async function pruneSome(
  cnm: Controller,
  isWanted: (network: NetworkInfo) => boolean,
): Promise<readonly string[]> {
  const [networks, endpoints] = await Promise.all([networkInfos(cnm), endpointInfos(cnm)])
  const used = new Set(endpoints.map(({ network }) => network))
  const removed: string[] = []
  for (const { id, name } of networks.filter((each) => !used.has(each.id) && isWanted(each))) {
    try {
      await cnm.network(id).delete()
      removed.push(name)
    } catch (error) {
      // Used or gone by now.
      if (!isCnmError(error, 'NETWORK_IN_USE') && !isCnmError(error, 'NETWORK_NOT_FOUND')) {
        throw error
      }
    }
  }
  return removed
}
