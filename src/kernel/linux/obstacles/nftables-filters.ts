import type { Family, TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { NFT_REG_VERDICT, VERDICTS } from '../nftables/constants.ts'
import { listChains, listRules, listTables } from '../nftables/list.ts'
import type { Expression } from '../nftables/rules/expression.ts'
import { selectorShape } from '../nftables/rules/selector.ts'
import {
  type Condition,
  type Filter,
  type FilterRule,
  NF_INET_FORWARD,
  type Verdict,
} from './filter-chains.ts'

const IFNAMSIZ = 16

/** Filters of forwarded packets in nftables, those of iptables-nft too; but not in these tables. */
export function nftablesFilters(
  socket: NetlinkSocket,
  except: readonly Pick<TableDefinition, 'family' | 'name'>[],
): Filter[] {
  return listTables(socket).flatMap(({ family, name }) => {
    const isRouted = ['inet', 'ip', 'ip6', 'bridge'].includes(family)
    if (!isRouted || except.some((it) => it.family === family && it.name === name)) return []
    const table = { family, name }
    const bases = listChains(socket, table).filter(
      ({ base }) => base?.type === 'filter' && base.hook?.number === NF_INET_FORWARD,
    )
    if (bases.length === 0) return []
    const chains = rulesByChain(socket, table)
    return bases.map(({ name: chain, base }): Filter => {
      const policy = base?.policy === VERDICTS.drop ? 'drop' : 'accept'
      return { family, version: family === 'ip6' ? 6 : 4, table: name, chain, policy, chains }
    })
  })
}

function rulesByChain(
  socket: NetlinkSocket,
  table: { readonly family: Family; readonly name: string },
): Map<string, FilterRule[]> {
  const chains = new Map<string, FilterRule[]>()
  for (const { chain, expressions } of listRules(socket, table)) {
    const rule = toRule(table.family, expressions)
    const rules = chains.get(chain)
    if (rules === undefined) chains.set(chain, [rule])
    else rules.push(rule)
  }
  return chains
}

type Is = NonNullable<Expression['is']>
type Instruction<Kind extends string> = Extract<Is, { readonly kind: Kind }>

function toRule(family: Family, expressions: readonly Expression[]): FilterRule {
  const conditions: Condition[] = []
  let loaded: Is | undefined
  let mask: number | undefined
  for (const { is } of expressions) {
    switch (is?.kind) {
      case 'meta':
        loaded = is
        mask = undefined
        break
      case 'bitwise':
        mask = is.data?.xor?.value?.every((byte) => byte === 0) ? number(is.data.mask?.value) : 0
        break
      case 'cmp':
        conditions.push(toCondition(family, loaded, mask, is))
        loaded = undefined
        break
      case 'counter':
      case 'log':
        break
      case 'match':
        if (is.data?.name !== 'comment') conditions.push('unknown')
        break
      case 'immediate':
      case 'reject':
      case 'target':
        return { conditions, ...verdictOf(is) }
      default:
        conditions.push('unknown')
    }
  }
  return { conditions }
}

const keyOf = (selector: Parameters<typeof selectorShape>[0]): number | undefined => {
  const { is } = selectorShape(selector).load(0)
  return is?.kind === 'meta' ? is.data?.key : undefined
}
const MARK = keyOf('meta mark')
const INPUT = keyOf('iifname')
const OUTPUT = keyOf('oifname')
const BRIDGE = keyOf('ibrname')

function toCondition(
  family: Family,
  loaded: Is | undefined,
  mask: number | undefined,
  { data: cmp }: Instruction<'cmp'>,
): Condition {
  const value = cmp?.data?.value
  if (loaded?.kind !== 'meta' || value === undefined || (cmp?.op ?? 0) > 1) return 'unknown'
  const not = cmp?.op === 1
  // In the bridge's own hooks, packets come from ports, and have not met our rules yet.
  const isBridge = family === 'bridge'
  if (loaded.data?.key === MARK && !isBridge) {
    return { mark: number(value), mask: mask ?? ~0, not }
  }
  if (mask !== undefined) return 'unknown'
  const name = Buffer.from(value).toString('latin1').replace(/\0.*$/s, '')
  const prefix = value.length < IFNAMSIZ
  if (loaded.data?.key === (isBridge ? BRIDGE : INPUT)) return { from: name, prefix, not }
  if (loaded.data?.key === OUTPUT && !isBridge) return { to: name, prefix, not }
  return 'unknown'
}

function verdictOf(is: Instruction<'immediate'> | Instruction<'reject'> | Instruction<'target'>): {
  readonly verdict?: Verdict
} {
  if (is.kind === 'reject') return { verdict: 'drop' }
  if (is.kind === 'target') {
    return ['REJECT', 'DROP'].includes(is.data?.name ?? '') ? { verdict: 'drop' } : {}
  }
  if (is.data?.dreg !== NFT_REG_VERDICT) return {}
  const { code, chain = '' } = is.data.data?.verdict ?? {}
  switch (code === undefined ? undefined : code | 0) {
    case VERDICTS.drop:
      return { verdict: 'drop' }
    case VERDICTS.accept:
      return { verdict: 'accept' }
    case VERDICTS.return:
      return { verdict: 'return' }
    case VERDICTS.jump:
      return { verdict: { to: chain, comesBack: true } }
    case VERDICTS.goto:
      return { verdict: { to: chain, comesBack: false } }
    default:
      return {}
  }
}

/** Of a mark: in the host's order. */
function number(bytes: Uint8Array | undefined): number {
  return bytes === undefined || bytes.length !== 4 ? 0 : Buffer.from(bytes).readInt32LE()
}
