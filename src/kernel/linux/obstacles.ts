import type { Obstacle } from '../kernel.ts'
import { LINK_GROUP } from '../link-groups.ts'
import type { TableDefinition } from '../ruleset.ts'
import type { Machinery } from './apply/apply.ts'
import { USER_CHAIN } from './docker-user.ts'
import { type Filter, stops } from './filter-chains.ts'
import { legacyFilters } from './legacy-iptables.ts'
import { nftablesFilters } from './nftables-filters.ts'
import { listLinks } from './rtnetlink/link.ts'

/**
 * Filters of others in which our packets end: by the chain's policy, or by a rule for everything that
 * comes before an accept of our mark or of our bridges. Rules for some packets only are not looked at.
 */
export function obstacles({ host, ruleset }: Machinery): Obstacle[] {
  const { definitions } = ruleset
  const mark = markOf(definitions)
  // Without tables of ours there is nobody yet who could be stopped.
  if (mark === undefined) return []
  const bridges = listLinks(host.socket, { kind: 'bridge', group: LINK_GROUP }).map(
    ({ name }) => name,
  )
  const filters = [...nftablesFilters(ruleset.socket, definitions), ...legacyFilters()]
  return filters.flatMap((filter) => {
    const from = bridges.length === 0 ? [undefined] : bridges
    const stopped = from.filter((name) =>
      stops(filter, { mark, ...(name === undefined ? {} : { from: name }) }),
    )
    return stopped.length === 0 ? [] : [obstacle(filter, mark, stopped, bridges.length)]
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

function obstacle(
  filter: Filter,
  mark: number,
  stopped: readonly (string | undefined)[],
  bridges: number,
): Obstacle {
  const { family, version, table, chain } = filter
  const where =
    family === 'legacy'
      ? `chain ${chain} (${version === 4 ? 'iptables' : 'ip6tables'}-legacy)`
      : `chain ${family} ${table} ${chain}`
  const whose =
    stopped.length === bridges || stopped[0] === undefined
      ? 'what our bridges forward'
      : `what ${stopped.slice(0, 3).join(', ')}${stopped.length > 3 ? ', …' : ''} forward`
  const remedy = remedyFor(filter, mark, stopped[0])
  return {
    where,
    detail: `${where} drops ${whose}: nothing in it accepts that before`,
    ...(remedy === undefined ? {} : { remedy }),
  }
}

function remedyFor(filter: Filter, mark: number, bridge = 'BRIDGE'): string | undefined {
  const { family, version, table, chain, chains } = filter
  const bits = `0x${mark.toString(16)}`
  if (table === 'firewalld') {
    return `firewall-cmd --permanent --zone=trusted --add-interface=${bridge} && firewall-cmd --reload`
  }
  if (family === 'bridge') {
    return `nft insert rule bridge ${table} ${chain} meta ibrname ${bridge} accept`
  }
  const isIptables = family === 'legacy' || (table === 'filter' && chain === 'FORWARD')
  if (!isIptables) {
    return `nft insert rule ${family} ${table} ${chain} meta mark and ${bits} == ${bits} accept`
  }
  if ([...chains.keys()].some((name) => name.startsWith('ufw'))) {
    return `ufw route allow in on ${bridge} && ufw route allow out on ${bridge}`
  }
  const command = `${version === 4 ? 'iptables' : 'ip6tables'}${family === 'legacy' ? '-legacy' : ''}`
  const into = leadsToUserChain(filter) ? USER_CHAIN : chain
  return `${command} -I ${into} -m mark --mark ${bits}/${bits} -j ACCEPT`
}

function leadsToUserChain({ chain, chains }: Filter): boolean {
  return (chains.get(chain) ?? []).some(
    ({ verdict }) => typeof verdict === 'object' && verdict.to === USER_CHAIN,
  )
}
