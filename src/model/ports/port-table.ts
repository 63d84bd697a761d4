import { familyOf, type IpAddress, isUnspecified } from '../../address/address.ts'
import { type PortRange, type Protocol, portCount } from '../../address/port.ts'

/** Ports of one address of the host that are taken. */
interface HeldPorts extends PortRange {
  readonly owner: string
}

/** The ports that are free of what is wanted. */
interface PortSearch {
  readonly protocol: Protocol
  /** All of them get the same ports. */
  readonly addresses: readonly IpAddress[]
  /** Where to look. */
  readonly range: PortRange
  /** How many in a row. */
  readonly count: number
  /** Where to begin; after the end of `range` it goes on at its beginning. */
  readonly start: number
  /** Never these, though nothing here holds them; each list is sorted. */
  readonly without: readonly (readonly PortRange[])[]
}

type Addresses = Map<IpAddress, HeldPorts[]>

/**
 * Who holds which ports of the host: for each protocol and address sorted ranges that don't overlap.
 * `0.0.0.0` and `::` are in conflict with every address of their family.
 */
export class PortTable {
  readonly #held = new Map<string, Addresses>()

  /** The first of those who hold some of these ports. */
  holder(protocol: Protocol, address: IpAddress, ports: PortRange): HeldPorts | undefined {
    let first: HeldPorts | undefined
    for (const list of this.#related(protocol, address)) {
      const found = list[indexAt(list, ports.from)]
      if (found === undefined || found.from > ports.to) continue
      if (first === undefined || found.from < first.from) first = found
    }
    return first
  }

  /** Takes free ports. */
  take(owner: string, protocol: Protocol, address: IpAddress, { from, to }: PortRange): void {
    const addresses = this.#addresses(protocol, address)
    const list = addresses.get(address)
    if (list === undefined) {
      addresses.set(address, [{ from, to, owner }])
      return
    }
    const at = indexAt(list, from)
    const [before, after] = [list[at - 1], list[at]]
    const joinsBefore = before?.owner === owner && before.to + 1 === from
    const joinsAfter = after?.owner === owner && to + 1 === after.from
    list.splice(joinsBefore ? at - 1 : at, Number(joinsBefore) + Number(joinsAfter), {
      from: joinsBefore ? before.from : from,
      to: joinsAfter ? after.to : to,
      owner,
    })
  }

  /** Gives back what of these ports is held by the owner. */
  release(owner: string, protocol: Protocol, address: IpAddress, { from, to }: PortRange): void {
    const addresses = this.#addresses(protocol, address)
    const list = addresses.get(address)
    if (list === undefined) return
    const first = indexAt(list, from)
    let end = first
    const kept: HeldPorts[] = []
    for (; end < list.length && list[end]!.from <= to; end += 1) {
      const held = list[end]!
      if (held.owner !== owner) kept.push(held)
      else {
        if (held.from < from) kept.push({ ...held, to: from - 1 })
        if (held.to > to) kept.push({ ...held, from: to + 1 })
      }
    }
    list.splice(first, end - first, ...kept)
    if (list.length === 0) addresses.delete(address)
  }

  /** The first port of a row of free ones. */
  firstFree(search: PortSearch): number | undefined {
    const { range, count } = search
    const start = search.start < range.from || search.start > range.to ? range.from : search.start
    const lists = [
      ...search.addresses.flatMap((address) => this.#related(search.protocol, address)),
      ...search.without,
    ]
    return (
      rowIn(lists, { from: start, to: range.to }, count) ??
      rowIn(lists, { from: range.from, to: Math.min(range.to, start + count - 2) }, count)
    )
  }

  #addresses(protocol: Protocol, address: IpAddress): Addresses {
    const key = `${protocol}${familyOf(address)}`
    const found = this.#held.get(key)
    if (found !== undefined) return found
    const made: Addresses = new Map()
    this.#held.set(key, made)
    return made
  }

  /** What may be in conflict with that address. */
  #related(protocol: Protocol, address: IpAddress): HeldPorts[][] {
    const addresses = this.#addresses(protocol, address)
    if (isUnspecified(address)) return [...addresses.values()]
    const everywhere = familyOf(address) === 4 ? '0.0.0.0' : '::'
    return [addresses.get(address), addresses.get(everywhere as IpAddress)].filter(
      (list) => list !== undefined,
    )
  }
}

/** A row of that many ports in `range` which is in none of the lists. */
function rowIn(
  lists: readonly (readonly PortRange[])[],
  range: PortRange,
  count: number,
): number | undefined {
  if (portCount(range) < count) return undefined
  let from = range.from
  for (let clear = 0; clear < lists.length && from + count - 1 <= range.to; ) {
    clear = 0
    for (const list of lists) {
      const held = list[indexAt(list, from)]
      if (held !== undefined && held.from <= from + count - 1) from = held.to + 1
      else clear += 1
    }
  }
  return from + count - 1 <= range.to ? from : undefined
}

/** Where the first range is that ends at this port or behind it. */
function indexAt(list: readonly PortRange[], port: number): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle]!.to < port) low = middle + 1
    else high = middle
  }
  return low
}
