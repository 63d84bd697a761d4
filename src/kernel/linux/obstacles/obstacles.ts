import type { Obstacle } from '../../kernel.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { Machinery } from '../apply/machinery.ts'
import { type Filter, stops } from './filter-chains.ts'
import { legacyFilters } from './legacy-iptables.ts'
import { nftablesFilters } from './nftables-filters.ts'
import { remedyFor, wayRemedy } from './remedies.ts'
import { type Surroundings, surroundings } from './surroundings.ts'

/**
 * Filters of others in which our packets end: by the chain's policy, or by a rule for everything that
 * comes before an accept of our mark or of our bridges. Rules for some packets only are not looked at.
 */
export function obstacles(
  { host, ruleset }: Machinery,
  leaving: readonly string[],
): readonly Obstacle[] {
  const { definitions } = ruleset
  const mark = markOf(definitions)
  // Without tables of ours there is no packet of ours yet that could be stopped.
  if (mark === undefined) return []
  const around = surroundings(host.socket, leaving)
  const filters = [...nftablesFilters(ruleset.socket, definitions), ...legacyFilters()]
  return filters.flatMap((filter) => {
    const from = around.bridges.length === 0 ? [undefined] : around.bridges
    const stopped = from.filter((name) => isStopped(filter, mark, name, around))
    if (stopped.length === 0) return unmarked(filter, around)
    return [obstacle(filter, mark, stopped, around)]
  })
}

/** The bits our tables set on what they let pass. */
function markOf(definitions: readonly TableDefinition[]): number | undefined {
  const statements = definitions.flatMap(({ chains }) =>
    chains.flatMap(({ rules }) => rules.flatMap((rule) => rule.statements)),
  )
  const marking = statements.find((it) => 'setMark' in it && it.setMark === 'meta mark')
  return marking !== undefined && 'setMark' in marking ? marking.value : undefined
}

/** Whether what has the mark doesn't get to a neighbour, or to the world. */
function isStopped(
  filter: Filter,
  mark: number,
  from: string | undefined,
  { outward }: Surroundings,
): boolean {
  if (from === undefined) return stops(filter, { mark })
  const out = outward.filter(({ family }) => isAbout(filter, family)).map(({ link }) => link)
  return [from, ...out].some((to) => stops(filter, { mark, from, to }))
}

/** Where packets don't get to that are not asked for, since no default route leads there. */
function unmarked(filter: Filter, { leaving, local }: Surroundings): Obstacle[] {
  return local.flatMap(({ family, link }) => {
    if (!isAbout(filter, family)) return []
    const from = leaving.filter((each) => each.family === family).map((each) => each.link)
    const stopped = from.filter((name) => stops(filter, { mark: 0, from: name, to: link }))
    if (stopped.length === 0) return []
    const where = placeOf(filter)
    const detail = `${where} drops what goes from ${some(stopped)} to ${link}: no default route leads there, so that is for others to decide`
    return [{ where: `${where} to ${link}`, detail, remedy: wayRemedy(filter, stopped, link) }]
  })
}

function isAbout({ family, version }: Filter, of: 4 | 6): boolean {
  return family === 'inet' || (family !== 'bridge' && version === of)
}

function obstacle(
  filter: Filter,
  mark: number,
  stopped: readonly (string | undefined)[],
  { bridges, outward }: Surroundings,
): Obstacle {
  const where = placeOf(filter)
  const names = stopped.filter((name) => name !== undefined)
  const whose = names.length === bridges.length ? 'our bridges' : some(names)
  const links = outward.filter(({ family }) => isAbout(filter, family)).map(({ link }) => link)
  return {
    where,
    detail: `${where} drops what ${whose} forward: nothing in it accepts that before`,
    remedy: remedyFor(filter, mark, { bridge: names[0] ?? 'BRIDGE', outward: links }),
  }
}

function placeOf({ family, version, table, chain }: Filter): string {
  return family === 'legacy'
    ? `chain ${chain} (${version === 4 ? 'iptables' : 'ip6tables'}-legacy)`
    : `chain ${family} ${table} ${chain}`
}

function some(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`
}
