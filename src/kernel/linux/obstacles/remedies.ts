import { USER_CHAIN } from '../ruleset/docker-user.ts'
import type { Filter } from './filter-chains.ts'

/** The command that lets what has the mark pass a filter of others. */
export function remedyFor(
  filter: Filter,
  mark: number,
  { bridge, outward }: { readonly bridge: string; readonly outward: readonly string[] },
): string {
  const { family, table, chain } = filter
  const bits = `0x${mark.toString(16)}`
  if (table === 'firewalld') {
    return `firewall-cmd --permanent --zone=trusted --add-interface=${bridge} && firewall-cmd --reload`
  }
  if (family === 'bridge') {
    return `nft insert rule bridge ${table} ${chain} meta ibrname ${bridge} accept`
  }
  if (!isIptables(filter)) {
    return `nft insert rule ${family} ${table} ${chain} meta mark and ${bits} == ${bits} accept`
  }
  if (isUfw(filter)) {
    // Not to everywhere: others behind this filter may keep theirs apart by it.
    const ways = outward.map((link) => `in on ${bridge} out on ${link}`)
    return [...ways, `out on ${bridge}`].map((way) => `ufw route allow ${way}`).join(' && ')
  }
  return `${commandOf(filter)} -I ${placeIn(filter)} -m mark --mark ${bits}/${bits} -j ACCEPT`
}

/** The command that lets pass what those bridges send to a link, whether it has the mark or not. */
export function wayRemedy(filter: Filter, bridges: readonly string[], link: string): string {
  const { family, table, chain } = filter
  const each = (bridge: string) => {
    if (!isIptables(filter)) {
      return `nft insert rule ${family} ${table} ${chain} iifname ${bridge} oifname ${link} accept`
    }
    if (isUfw(filter)) return `ufw route allow in on ${bridge} out on ${link}`
    return `${commandOf(filter)} -I ${placeIn(filter)} -i ${bridge} -o ${link} -j ACCEPT`
  }
  return bridges.map(each).join(' && ')
}

function isIptables({ family, table, chain }: Filter): boolean {
  return family === 'legacy' || (table === 'filter' && chain === 'FORWARD')
}

function isUfw({ chains }: Filter): boolean {
  return [...chains.keys()].some((name) => name.startsWith('ufw'))
}

function commandOf({ family, version }: Filter): string {
  return `${version === 4 ? 'iptables' : 'ip6tables'}${family === 'legacy' ? '-legacy' : ''}`
}

/** Docker's chain for the rules of others, where packets come by it. */
function placeIn({ chain, chains }: Filter): string {
  const leads = (chains.get(chain) ?? []).some(
    ({ verdict }) => typeof verdict === 'object' && verdict.to === USER_CHAIN,
  )
  return leads ? USER_CHAIN : chain
}
