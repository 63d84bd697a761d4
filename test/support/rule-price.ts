import type { ThrowAwayHost } from './host.ts'

/** What `nft -j list ruleset` says of a rule. */
interface Rule {
  readonly handle: number
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly expr: readonly Expression[]
}

type Expression = Readonly<Record<string, unknown>>

/** What one packet has met of our tables. */
export interface Met {
  /** Base chains. */
  chains: number
  /** Lookups in sets and maps, and in the routing table. */
  lookups: number
  /** Questions to conntrack. */
  conntrack: number
  /** Comparisons with a constant. */
  compares: number
  /** By the price list, in nanoseconds. */
  ns: number
}

/** Nanoseconds an operation takes: docs/performance.md says how that was measured. */
const price = {
  chain: 36,
  compare: 14,
  name: 39,
  conntrack: 33,
  names: 123,
  oneName: 95,
  nameAndAddress: 115,
  nameAndPrefix: 178,
  address: 80,
  fib: 137,
} as const

/** A rule ends the chain for a packet that it matches, or lets it go on. */
const endings = ['accept', 'drop', 'goto', 'return']

/**
 * What packets meet, from what the kernel traces: rules that match are told, and so is where a chain was left;
 * all rules up to there have been gone through. Of one that didn't match only its first question counts.
 */
export async function whatIsMet(host: ThrowAwayHost, lines: readonly string[]): Promise<Met> {
  const { nftables } = await host.nft<{ nftables: readonly Record<string, unknown>[] }>(
    '-j list ruleset',
  )
  const rules = nftables.flatMap((each) => (each.rule ? [each.rule as Rule] : []))
  const intervals = nftables.flatMap(({ set, map }) => {
    const it = (set ?? map) as { name: string; flags?: readonly string[] } | undefined
    return it?.flags?.includes('interval') ? [it.name] : []
  })
  const listed = await host.nft('-a list ruleset')
  const handles = new Map<string, number>()
  let place = ''
  for (const line of listed.split('\n')) {
    const table = /^table (\w+) (\S+) \{/.exec(line)
    if (table) place = `${table[1]} ${table[2]}`
    const chain = /^\tchain (\S+) \{/.exec(line)
    if (chain) place = `${place.split(' ').slice(0, 2).join(' ')} ${chain[1]}`
    const rule = /^\t\t(.+) # handle (\d+)$/.exec(line)
    if (rule) handles.set(`${place} ${rule[1]}`, Number(rule[2]))
  }
  return add(rules, new Set(intervals), handles, lines)
}

function add(
  rules: readonly Rule[],
  intervals: ReadonlySet<string>,
  handles: ReadonlyMap<string, number>,
  lines: readonly string[],
): Met {
  const met: Met = { chains: 0, lookups: 0, conntrack: 0, compares: 0, ns: 0 }
  const matched = new Map<string, Set<number>>()
  const ended = new Map<string, number>()
  let isIpv6 = false
  for (const line of lines) {
    const [, family, table, chain, rest = ''] =
      /^trace id \w+ (\S+) (\S+) (\S+) (.*)$/.exec(line) ?? []
    if (!table?.startsWith('cnm')) continue
    const place = `${family} ${table} ${chain}`
    if (rest.startsWith('packet:')) {
      met.chains += 1
      met.ns += price.chain
      isIpv6 = rest.includes(' ip6 saddr ')
    }
    if (!matched.has(place)) matched.set(place, new Set())
    const rule = /^rule (.*) \(verdict (\w+).*\)$/.exec(rest)
    if (rule === null) continue
    const handle = handles.get(`${place} ${rule[1]}`)
    if (handle === undefined) throw new Error(`no such rule: ${place} ${rule[1]}`)
    matched.get(place)!.add(handle)
    if (endings.includes(rule[2]!)) ended.set(place, handle)
    const target = /\(verdict (?:jump|goto) (\S+)\)$/.exec(rest)?.[1]
    if (target !== undefined) matched.set(`${family} ${table} ${target}`, new Set())
  }
  for (const [place, hits] of matched) {
    for (const rule of rules) {
      if (`${rule.family} ${rule.table} ${rule.chain}` !== place) continue
      count(met, rule, hits.has(rule.handle), isIpv6, intervals)
      if (ended.get(place) === rule.handle) break
    }
  }
  return met
}

function count(
  met: Met,
  { expr }: Rule,
  isMatch: boolean,
  isIpv6: boolean,
  intervals: ReadonlySet<string>,
): void {
  for (const each of expr) {
    const { match, vmap, dnat, snat, set } = each as Record<string, Expression | undefined>
    const question = match ?? vmap ?? dnat ?? snat ?? set
    if (question === undefined) continue
    const text = JSON.stringify(question)
    const asksFamily = /"protocol":"(ip6?)"/.exec(text)?.[1]
    if (asksFamily !== undefined) {
      met.compares += 1
      met.ns += price.compare
      if (asksFamily !== (isIpv6 ? 'ip6' : 'ip')) return
    }
    ask(met, text, intervals)
    if (!isMatch) return
  }
}

function ask(met: Met, text: string, intervals: ReadonlySet<string>): void {
  const set = /"@(\w+)"/.exec(text)?.[1]
  if (set !== undefined) {
    met.lookups += 1
    met.ns += lookupPrice(text, intervals.has(set))
  } else if (text.includes('"fib"')) {
    met.lookups += 1
    met.ns += price.fib
  } else if (text.includes('"ct"')) {
    met.conntrack += 1
    met.ns += price.conntrack
  } else {
    met.compares += 1
    met.ns += /"[io]ifname"/.test(text) ? price.name : price.compare
  }
}

function lookupPrice(text: string, isInterval: boolean): number {
  const names = text.match(/"[io]ifname"/g)?.length ?? 0
  if (names > 1 || text.includes('"vmap"')) return price.names
  if (isInterval) return price.nameAndPrefix
  if (text.includes('"concat"')) return price.nameAndAddress
  return names === 1 ? price.oneName : price.address
}
