import type { Family } from '../../ruleset.ts'

/** The place of netfilter that we are interested in, with any owner of the filter. */
export const NF_INET_FORWARD = 2

/** Others' filters of forwarded packets, with any owner, as far as we understand them. */
export interface Filter {
  /** `legacy` is iptables without nftables. */
  readonly family: Family | 'legacy'
  /** Of IP, where `family` is `legacy`. */
  readonly version: 4 | 6
  readonly table: string
  /** The one that packets come to. */
  readonly chain: string
  readonly policy: 'accept' | 'drop'
  readonly chains: ReadonlyMap<string, readonly FilterRule[]>
}

export interface FilterRule {
  /** All of them hold for a packet that the rule is for. */
  readonly conditions: readonly Condition[]
  readonly verdict?: Verdict
}

/** What we know whether a packet of ours fulfils it: by its mark, and the links it comes and goes by. */
export type Condition =
  | { readonly mark: number; readonly mask: number; readonly not: boolean }
  | { readonly from: string; readonly prefix: boolean; readonly not: boolean }
  | { readonly to: string; readonly prefix: boolean; readonly not: boolean }
  | 'unknown'

export type Verdict =
  | 'accept'
  | 'drop'
  | 'return'
  | { readonly to: string; readonly comesBack: boolean }

/** A packet of ours. */
interface Passenger {
  readonly mark: number
  /** The bridge it comes from; absent: any. */
  readonly from?: string
  /** The link it leaves by; absent: any. */
  readonly to?: string
}

/** Chains can't jump deeper. */
const DEEPEST = 16

/**
 * Whether such packets end here. Best effort: a rule whose conditions aren't all known is taken not to
 * be about them.
 */
export function stops(filter: Filter, passenger: Passenger): boolean {
  return (fate(filter, filter.chain, passenger, 0) ?? filter.policy) === 'drop'
}

function fate(
  filter: Filter,
  chain: string,
  passenger: Passenger,
  depth: number,
): 'accept' | 'drop' | undefined {
  if (depth > DEEPEST) return undefined
  for (const { conditions, verdict } of filter.chains.get(chain) ?? []) {
    if (verdict === undefined || !conditions.every((it) => holds(it, passenger))) continue
    if (verdict === 'return') return undefined
    if (typeof verdict === 'string') return verdict
    const found = fate(filter, verdict.to, passenger, depth + 1)
    if (found !== undefined || !verdict.comesBack) return found
  }
  return undefined
}

/** Only if that is certain. */
function holds(condition: Condition, { mark, from, to }: Passenger): boolean {
  if (condition === 'unknown') return false
  if ('mark' in condition) {
    // Of the other bits nothing is known.
    if ((condition.mask & ~mark) !== 0) return false
    return ((mark & condition.mask) === condition.mark) !== condition.not
  }
  const [link, name] = 'from' in condition ? [from, condition.from] : [to, condition.to]
  if (link === undefined) return false
  const isThat = condition.prefix ? link.startsWith(name) : link === name
  return isThat !== condition.not
}
