/** Rules and their chains: nft's words (here) as expressions and selectors, and back. */

import type { PortRange } from '../../../../address/port.ts'
import { CnmError } from '../../../../base/errors.ts'
import type {
  DataType,
  Family,
  RuleDefinition,
  Selector,
  Statement,
  TableDefinition,
} from '../../../ruleset.ts'
import { NFPROTO, NFT_REG_1, NFT_REG_VERDICT } from '../constants.ts'
import { layoutOf } from '../values/layout.ts'
import { isSpan, parseSpan, prefixMask } from '../values/span.ts'
import { type ValueType, type ValueTypeName, valueType } from '../values/value-type.ts'
import {
  bitwise,
  cmp,
  type Expression,
  immediate,
  inRange,
  registerAt,
  transportStore,
  verdict,
} from './expression.ts'
import { type Dependency, guardFor, MARK_KEY, selectorShape } from './selector.ts'

/** A set of the rule's own, for `iifname { "a", "b" }`. It goes with the rule. */
export interface AnonymousSet {
  readonly id: number
  readonly type: ValueTypeName
  readonly interval: boolean
  readonly values: readonly string[]
}

interface CompiledRule {
  readonly sets: readonly AnonymousSet[]
  readonly expressions: readonly Expression[]
}

/** The kernel makes a free name of it. */
export const ANONYMOUS_NAME = '__set%d'

/** Turns a rule into instructions. `nextSetId` numbers its anonymous sets within the transaction. */
export function compileRule(
  table: TableDefinition,
  rule: RuleDefinition,
  nextSetId: () => number,
): CompiledRule {
  const compiler = new RuleCompiler(table, nextSetId)
  for (const statement of rule.statements) compiler.statement(statement)
  return compiler
}

type StatementWith<Key extends string> = Extract<Statement, Readonly<Record<Key, unknown>>>

class RuleCompiler implements CompiledRule {
  readonly sets: AnonymousSet[] = []
  readonly expressions: Expression[] = []
  readonly #table: TableDefinition
  readonly #nextSetId: () => number
  /** What the packet is known to be at this point of the rule: `meta nfproto` → value. */
  readonly #known = new Map<string, Uint8Array>()

  constructor(table: TableDefinition, nextSetId: () => number) {
    this.#table = table
    this.#nextSetId = nextSetId
  }

  statement(statement: Statement): void {
    if ('match' in statement) this.#match(statement)
    else if ('bits' in statement) this.#bits(statement)
    else if ('lookup' in statement) this.#lookup(statement)
    else if ('vmap' in statement) this.#lookUpValue(statement.vmap, statement.map, NFT_REG_VERDICT)
    else if ('verdict' in statement) this.#add(verdict(statement.verdict))
    else if ('jump' in statement) this.#add(verdict('jump', statement.jump))
    else if ('goto' in statement) this.#add(verdict('goto', statement.goto))
    else if ('masquerade' in statement) this.#masquerade(statement)
    else if ('nat' in statement) this.#nat(statement)
    else if ('notrack' in statement) this.#add({ is: { kind: 'notrack' } })
    else if ('setPort' in statement) this.#setPort(statement)
    else if ('counter' in statement) this.#add({ is: { kind: 'counter' } })
    else if ('reject' in statement) this.#reject(statement.reject)
    else if ('log' in statement) this.#add({ is: { kind: 'log', data: { prefix: statement.log } } })
    else if ('limit' in statement) this.#add(limit(statement.limit))
    else if ('update' in statement) this.#update(statement)
    else this.#setMark(statement)
  }

  #add(...expressions: Expression[]): void {
    this.expressions.push(...expressions)
  }

  /** Adds the questions that nft adds by itself, such as `meta nfproto ipv4` before `ip saddr`. */
  #guard(needs: readonly Dependency[]): void {
    for (const need of needs) {
      const guard = guardFor(need, this.#table.family)
      if (guard === undefined) continue
      const known = this.#known.get(guard.subject)
      if (known !== undefined && Buffer.compare(known, guard.value) === 0) continue
      this.#add(guard.load(NFT_REG_1), cmp('eq', NFT_REG_1, guard.value))
      this.#known.set(guard.subject, guard.value)
    }
  }

  #match({ match, value, not = false }: StatementWith<'match'>): void {
    const shape = selectorShape(match)
    const type = valueType(shape.type)
    const values = typeof value === 'string' ? [value] : value
    this.#guard(shape.needs)
    this.#add(shape.load(NFT_REG_1))
    if (type.flags) this.#add(...anyFlag(type, values, not))
    else if (values.length !== 1) this.#anonymousSet(type, values, not)
    else {
      const [text] = values as [string]
      this.#add(...compare(type, text, not))
      if (!not && !isSpan(type, text)) this.#known.set(match, type.parse(text))
    }
  }

  #bits({ bits, mask, not, value }: StatementWith<'bits'>): void {
    const op = not ? 'neq' : 'eq'
    this.#add(selectorShape(bits).load(NFT_REG_1))
    this.#add(bitwise(NFT_REG_1, markBytes(mask ?? value), markBytes(0)))
    this.#add(cmp(op, NFT_REG_1, markBytes(value)))
  }

  #anonymousSet(type: ValueType, values: readonly string[], not: boolean): void {
    const id = this.#nextSetId()
    const interval = values.some((text) => isSpan(type, text))
    this.sets.push({ id, type: type.name, interval, values })
    this.#add(lookup(ANONYMOUS_NAME, not, id))
  }

  /** Loads the parts of a key side by side, beginning with the first register. */
  #loadKey(selectors: readonly Selector[]): void {
    const shapes = selectors.map(selectorShape)
    const { offsets } = layoutOf(shapes.map((shape) => shape.type))
    this.#guard(shapes.flatMap((shape) => shape.needs))
    for (const [index, shape] of shapes.entries()) {
      this.#add(shape.load(registerAt(offsets[index]!)))
    }
  }

  #lookup({ lookup: key, set, not = false }: StatementWith<'lookup'>): void {
    this.#loadKey(key)
    this.#add(lookup(set, not))
  }

  #lookUpValue(key: readonly Selector[], map: string, dreg: number): void {
    this.#loadKey(key)
    this.#add({ is: { kind: 'lookup', data: { set: map, sreg: NFT_REG_1, dreg } } })
  }

  #masquerade({ ports }: StatementWith<'masquerade'>): void {
    const NF_NAT_RANGE_PROTO_SPECIFIED = 2
    if (ports === undefined) this.#add({ is: { kind: 'masq' } })
    else {
      const range = this.#portRange(ports, 0)
      this.#add({ is: { kind: 'masq', data: { flags: NF_NAT_RANGE_PROTO_SPECIFIED, ...range } } })
    }
  }

  /** Puts both ends side by side, from that byte of the registers on. */
  #portRange({ from, to }: PortRange, offset: number): { portMin: number; portMax: number } {
    const [portMin, portMax] = [registerAt(offset), registerAt(offset + 4)]
    const { parse } = valueType('inet_service')
    this.#add(immediate(portMin, parse(String(from))), immediate(portMax, parse(String(to))))
    return { portMin, portMax }
  }

  #nat({ nat, family, map, key, ports }: StatementWith<'nat'>): void {
    const { offsets, bytes } = layoutOf(valueOfMap(this.#table, map))
    this.#lookUpValue(key, map, NFT_REG_1)
    const fromMap = offsets[1] === undefined ? {} : { portMin: registerAt(offsets[1]) }
    const range = ports === undefined ? fromMap : this.#portRange(ports, bytes)
    this.#add({
      is: {
        kind: 'nat',
        data: {
          type: nat === 'snat' ? 0 : 1,
          family: NFPROTO[family],
          address: NFT_REG_1,
          ...range,
        },
      },
    })
  }

  #reject(how: StatementWith<'reject'>['reject']): void {
    if (how === 'tcp reset') this.#guard(['tcp'])
    this.#add({ is: { kind: 'reject', data: rejectData(how, this.#table.family) } })
  }

  #update({ update, key, timeoutMs }: StatementWith<'update'>): void {
    const NFT_DYNSET_OP_UPDATE = 1
    const timeout = timeoutMs === undefined ? undefined : BigInt(timeoutMs)
    this.#loadKey(key)
    this.#add({
      is: {
        kind: 'dynset',
        data: { set: update, op: NFT_DYNSET_OP_UPDATE, key: NFT_REG_1, timeout },
      },
    })
  }

  #setPort({ setPort, value }: StatementWith<'setPort'>): void {
    this.#add(immediate(NFT_REG_1, valueType('inet_service').parse(String(value))))
    this.#add(transportStore(setPort === 'th sport' ? 0 : 2, 2, NFT_REG_1))
  }

  #setMark({ setMark, value, mask }: StatementWith<'setMark'>): void {
    if (mask === undefined) this.#add(immediate(NFT_REG_1, markBytes(value)))
    else {
      this.#add(selectorShape(setMark).load(NFT_REG_1))
      this.#add(bitwise(NFT_REG_1, markBytes(~mask), markBytes(value & mask)))
    }
    const kind = setMark === 'meta mark' ? 'meta' : 'ct'
    this.#add({ is: { kind, data: { key: MARK_KEY, sreg: NFT_REG_1 } } })
  }
}

function lookup(set: string, not: boolean, setId?: number): Expression {
  const NFT_LOOKUP_F_INV = 1
  const flags = not ? NFT_LOOKUP_F_INV : 0
  return { is: { kind: 'lookup', data: { set, sreg: NFT_REG_1, setId, flags } } }
}

/** Whether any of the flags is set (with `not`: none of them). */
function anyFlag(type: ValueType, names: readonly string[], not: boolean): Expression[] {
  const mask = new Uint8Array(type.bytes)
  for (const name of names) {
    for (const [index, byte] of type.parse(name).entries()) mask[index]! |= byte
  }
  const zero = new Uint8Array(type.bytes)
  return [bitwise(NFT_REG_1, mask, zero), cmp(not ? 'eq' : 'neq', NFT_REG_1, zero)]
}

function compare(type: ValueType, text: string, not: boolean): Expression[] {
  const { start, end } = parseSpan(type, text)
  const op = not ? 'neq' : 'eq'
  if (!isSpan(type, text)) return [cmp(op, NFT_REG_1, start)]
  const slash = text.indexOf('/')
  if (slash < 0) return [inRange(not, NFT_REG_1, start, end)]
  const mask = prefixMask(type.bytes, Number(text.slice(slash + 1)))
  return [bitwise(NFT_REG_1, mask, new Uint8Array(type.bytes)), cmp(op, NFT_REG_1, start)]
}

function limit({ rate, per }: StatementWith<'limit'>['limit']): Expression {
  const unit = { second: 1n, minute: 60n, hour: 3600n }[per]
  // nft's own default burst.
  return { is: { kind: 'limit', data: { rate: BigInt(rate), unit, burst: 5, type: 0, flags: 0 } } }
}

/** A TCP reset, an ICMP code of the one family, or (where both can come) nftables' code for either. */
function rejectData(
  how: StatementWith<'reject'>['reject'],
  family: Family,
): { type: number; code?: number } {
  if (how === 'tcp reset') return { type: 1 }
  const port = how === 'port-unreachable'
  if (family === 'ip') return { type: 0, code: port ? 3 : 13 }
  if (family === 'ip6') return { type: 0, code: port ? 4 : 1 }
  return { type: 2, code: port ? 1 : 3 }
}

function markBytes(value: number): Uint8Array {
  return valueType('mark').parse(String(value >>> 0))
}

function valueOfMap(table: TableDefinition, name: string): readonly DataType[] {
  const value = table.sets.find((set) => set.name === name)?.value
  if (value === undefined || value === 'verdict') {
    const where = `table ${table.family} ${table.name}`
    throw new CnmError('INVALID_ARGUMENT', `${where} has no map ${name} of addresses`)
  }
  return value
}
