import { resourceKey, type TableResource } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Comparison } from '../compare/comparison.ts'
import { differences, type Finding, missing } from '../compare/finding.ts'
import { compareTable } from '../nftables/compare.ts'
import type { Kind } from './kind.ts'

export const table: Kind<'table'> = {
  apply: {
    firewall: make,
    drop({ plan, ruleset }) {
      ruleset.drop.push(...plan.remove.of('table').map(({ definition }) => definition))
    },
  },
  compare,
}

function make({ plan, ruleset }: ApplyContext): void {
  for (const table of plan.add.of('table')) {
    const before = plan.before.get(resourceKey(table)) as TableResource | undefined
    ruleset.make.push({ definition: table.definition, before: before?.definition })
  }
}

function compare({ machinery: { ruleset } }: Comparison, { definition }: TableResource): Finding {
  if (!ruleset.isThere(definition)) {
    return missing(`no table ${definition.family} ${definition.name}`)
  }
  // What others put into a table that is theirs, too, is no difference.
  if (!definition.owned) return undefined
  return differences(compareTable(ruleset.socket, ruleset.asPossible(definition)))
}
