import type { SurveyQuery } from '../../../kernel.ts'
import type { ElementResource } from '../../../resource.ts'
import type { Comparison } from '../../compare/comparison.ts'
import { listOwnedElements } from '../../nftables/elements/owned-elements.ts'
import { ownedByAnother, type Ruleset } from '../../ruleset/ruleset.ts'
import type { Kind } from '../kind.ts'
import { ElementComparison } from './compare-elements.ts'

export const element: Kind<'element'> = {
  apply: {
    firewall({ plan, ruleset }) {
      ruleset.remove.push(...plan.remove.of('element'))
      ruleset.add.push(...plan.add.of('element'))
    },
  },
  compare: (comparison, resource) => comparison.once(elementComparison).of(resource),
  survey: ({ machinery, query }) => ({
    elements: query.tables.flatMap((table) => surveyedElements(machinery.ruleset, table)),
  }),
  isMadeAnew: () => true,
}

function elementComparison({ resources, machinery }: Comparison): ElementComparison {
  const described = resources.flatMap((it) => (it.kind === 'table' ? [it.definition] : []))
  const tables = [...described, ...machinery.ruleset.definitions]
  return new ElementComparison(() => machinery.ruleset.socket, tables)
}

/** Elements that say whose they are. A table that a living socket owns is another engine's. */
function surveyedElements(
  ruleset: Ruleset,
  table: SurveyQuery['tables'][number],
): ElementResource[] {
  const { family, name } = table
  const there = ruleset.find(table)
  if (there === undefined) return []
  if (ruleset.isAnothers(there)) throw ownedByAnother(table)
  return listOwnedElements(ruleset.socket, table).map(
    ({ set, key, value, run, owner }): ElementResource => ({
      ...{ kind: 'element', family, table: name, set, key },
      ...(value === undefined ? {} : { value }),
      ...(run === undefined ? {} : { run }),
      owner,
    }),
  )
}
