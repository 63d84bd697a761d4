import type { IpAddress, Prefix } from '../../../address/address.ts'
import { addressToBigInt, prefixRange } from '../../../address/address.ts'
import { type ElementResource, eachElement, type TableResource } from '../../resource.ts'
import type { DataType, SetDefinition, TableDefinition } from '../../ruleset.ts'
import { isSame } from '../../same-resource.ts'
import type { Machine, Table } from '../machine.ts'
import { limitText, tableLines } from './ruleset-lines.ts'
import type { Verbs } from './verbs.ts'

export const tables: Verbs<TableResource> = {
  put(machine, { definition }) {
    const name = tableName(definition)
    const before = machine.tables.get(name)
    const elements = new Map<string, ElementResource>()
    for (const [key, element] of before?.elements ?? []) {
      if (definition.sets.some((set) => set.name === element.set)) elements.set(key, element)
    }
    machine.set(machine.tables, name, { definition, elements })
  },

  drop(machine, { definition }) {
    machine.delete(machine.tables, tableName(definition))
  },

  found(machine, { kind, definition }) {
    const table = machine.tables.get(tableName(definition))
    return table && { kind, definition: table.definition }
  },

  lines: ({ definition }) => tableLines(definition),
}

/** A run is kept as its single elements. */
export const elements: Verbs<ElementResource> = {
  put(machine, resource) {
    if (resource.run !== undefined) assertRun(machine, resource, resource.run)
    for (const element of eachElement(resource)) putElement(machine, element)
  },

  drop(machine, resource) {
    const table = machine.tables.get(tableName(resource))
    if (table === undefined) return
    for (const element of eachElement(resource)) {
      const there = table.elements.get(elementKey(element))
      if (there?.owner === element.owner) machine.delete(table.elements, elementKey(element))
    }
  },

  found(machine, resource) {
    const there = machine.tables.get(tableName(resource))?.elements
    if (resource.run === undefined) return there?.get(elementKey(resource))
    const each = eachElement(resource).map((wanted) => ({
      wanted,
      found: there?.get(elementKey(wanted)),
    }))
    if (each.length === 0 || each.some(({ found }) => found === undefined)) return undefined
    const other = each.find(({ wanted, found }) => !isSame(wanted, found))
    return other === undefined ? resource : other.found
  },

  lines: (element) => [elementLine(element)],
}

function putElement(machine: Machine, resource: ElementResource): void {
  const { table, set } = setOf(machine, resource)
  const { key, value } = resource
  const refuse = (errno: string, message: string) => refusal(machine, resource, errno, message)
  if (key.length !== set.key.length) throw refuse('EINVAL', `the key has ${set.key.length} parts`)
  if ((value === undefined) !== (set.value === undefined)) {
    throw refuse('EINVAL', set.value === undefined ? 'a set has no values' : 'a map has values')
  }
  const chain = /^(?:jump|goto) (.*)$/.exec(value?.[0] ?? '')?.[1]
  if (set.value === 'verdict' && chain !== undefined) {
    const known = table.definition.chains.some(({ name }) => name === chain)
    if (!known) throw refuse('ENOENT', `there is no chain ${chain}`)
  }
  if (set.interval) {
    const other = findOverlap(table, set, resource)
    if (other !== undefined) throw refuse('EEXIST', `overlaps ${other.key.join(' . ')}`)
  }
  machine.set(table.elements, elementKey(resource), resource)
}

function assertRun(machine: Machine, resource: ElementResource, run: number): void {
  const { set } = setOf(machine, resource)
  const ends = [set.key.at(-1), ...(Array.isArray(set.value) ? [set.value.at(-1)] : [])]
  const fits = !set.interval && set.value !== 'verdict' && ends.every((it) => it === 'inet_service')
  const ports = [
    resource.key.at(-1),
    ...(resource.value === undefined ? [] : [resource.value.at(-1)]),
  ]
  if (run >= 1 && fits && ports.every((port) => Number(port) + run - 1 <= 65535)) return
  throw refusal(machine, resource, 'EINVAL', 'a run needs ports that count up')
}

function refusal(machine: Machine, element: ElementResource, errno: string, message: string) {
  const target = `${element.table} ${element.set} { ${element.key.join(' . ')} }`
  return machine.refusal('NFT_MSG_NEWSETELEM', errno, message, target)
}

export function tableName(table: TableDefinition | ElementResource): string {
  return `${table.family} ${'table' in table ? table.table : table.name}`
}

function elementKey({ set, key }: ElementResource): string {
  return `${set} ${key.join(' . ')}`
}

function setOf(machine: Machine, element: ElementResource): { table: Table; set: SetDefinition } {
  const table = machine.tables.get(tableName(element))
  const set = table?.definition.sets.find(({ name }) => name === element.set)
  if (table !== undefined && set !== undefined) return { table, set }
  const what = table === undefined ? 'table' : 'set'
  const target = `${tableName(element)} ${element.set}`
  throw machine.refusal('NFT_MSG_NEWSETELEM', 'ENOENT', `there is no such ${what}`, target)
}

/** Two elements overlap where every part of their keys does. */
function findOverlap(table: Table, set: SetDefinition, element: ElementResource) {
  const mine = element.key.map((part, at) => span(part, set.key[at]))
  for (const other of table.elements.values()) {
    if (other.set !== set.name || elementKey(other) === elementKey(element)) continue
    const theirs = other.key.map((part, at) => span(part, set.key[at]))
    if (mine.every((part, at) => meet(part, theirs[at]))) return other
  }
  return undefined
}

interface Span {
  readonly first: bigint
  readonly last: bigint
}

/** The values that a part of a key stands for; text where only equality counts. */
function span(part: string, type: DataType | undefined): Span | string {
  const isAddress = type === 'ipv4_addr' || type === 'ipv6_addr'
  if (!isAddress && type !== 'inet_service' && type !== 'mark') return part
  if (part.includes('/')) return prefixRange(part as Prefix)
  const ends = part.split('-').map((end) => {
    return isAddress ? addressToBigInt(end as IpAddress) : BigInt(end)
  })
  return { first: ends[0]!, last: ends.at(-1)! }
}

function meet(a: Span | string, b: Span | string | undefined): boolean {
  if (b === undefined || typeof a === 'string' || typeof b === 'string') return a === b
  return a.first <= b.last && b.first <= a.last
}

function elementLine(resource: ElementResource): string {
  const { family, table, set, key, value, run, limit, owner } = resource
  const more = run === undefined ? '' : ` # and the next ${run - 1}`
  const to = value === undefined ? '' : ` : ${value.join(' . ')}`
  const limited = limit === undefined ? '' : ` ${limitText(limit)}`
  const element = `${key.join(' . ')}${limited} comment "${owner}"${to}`
  return `nft add element ${family} ${table} ${set} { ${element} }${more}`
}
