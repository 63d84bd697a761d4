import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import type { PortRange, Protocol } from '../../address/port.ts'
import { PortTable } from './port-table.ts'

const addresses = ['0.0.0.0', '10.0.0.1', '10.0.0.2', '::', 'fd00::1'] as IpAddress[]

/** What the table should say, one port at a time. */
class Naive {
  readonly #owners = new Map<string, string>()

  owner(protocol: Protocol, address: IpAddress, port: number): string | undefined {
    const family = address.includes(':')
    for (const other of addresses) {
      if (other.includes(':') !== family) continue
      const isAny = ['0.0.0.0', '::'].some((any) => any === address || any === other)
      const owner = this.#owners.get(`${protocol} ${other} ${port}`)
      if (owner !== undefined && (other === address || isAny)) return owner
    }
    return undefined
  }

  set(owner: string, protocol: Protocol, address: IpAddress, port: number): void {
    this.#owners.set(`${protocol} ${address} ${port}`, owner)
  }

  release(owner: string, protocol: Protocol, address: IpAddress, port: number): void {
    const key = `${protocol} ${address} ${port}`
    if (this.#owners.get(key) === owner) this.#owners.delete(key)
  }

  isFree(protocol: Protocol, address: IpAddress, { from, to }: PortRange): boolean {
    for (let port = from; port <= to; port += 1) {
      if (this.owner(protocol, address, port) !== undefined) return false
    }
    return true
  }
}

const port = fc.integer({ min: 1, max: 40 })
const action = fc.record({
  kind: fc.constantFrom('take', 'take', 'release', 'search'),
  owner: fc.constantFrom('a', 'b'),
  protocol: fc.constantFrom<Protocol>('tcp', 'udp'),
  address: fc.constantFrom(...addresses),
  ports: fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
  count: fc.integer({ min: 1, max: 5 }),
  start: fc.integer({ min: 1, max: 45 }),
  without: fc.array(port, { maxLength: 3 }),
})
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

function searched(naive: Naive, it: Action): number | undefined {
  const { protocol, address, ports, count, without } = it
  const size = ports.to - ports.from + 1
  const start = it.start < ports.from || it.start > ports.to ? ports.from : it.start
  for (let n = 0; n < size; n += 1) {
    const from = ports.from + ((start - ports.from + n) % size)
    const to = from + count - 1
    if (to > ports.to || without.some((no) => from <= no && no <= to)) continue
    if (naive.isFree(protocol, address, { from, to })) return from
  }
  return undefined
}

it('says what a table of single ports says', () => {
  const property = fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
    const [table, naive] = [new PortTable(), new Naive()]
    for (const it of actions) {
      const { kind, owner, protocol, address, ports } = it
      const each = Array.from({ length: ports.to - ports.from + 1 }, (_, n) => ports.from + n)
      if (kind === 'search') {
        const { count, start, without } = it
        const search = { protocol, addresses: [address], range: ports, count, start }
        const lists = without.map((no) => [{ from: no, to: no }])
        expect(table.firstFree({ ...search, without: lists })).toBe(searched(naive, it))
      } else if (kind === 'release') {
        table.release(owner, protocol, address, ports)
        for (const port of each) naive.release(owner, protocol, address, port)
      } else {
        const holder = table.holder(protocol, address, ports)
        expect(holder === undefined).toBe(naive.isFree(protocol, address, ports))
        if (holder === undefined) {
          table.take(owner, protocol, address, ports)
          for (const port of each) naive.set(owner, protocol, address, port)
        } else {
          const port = Math.max(holder.from, ports.from)
          expect(naive.isFree(protocol, address, { from: ports.from, to: port - 1 })).toBe(true)
          expect(naive.isFree(protocol, address, { from: port, to: port })).toBe(false)
        }
      }
    }
  })
  fc.assert(property, { numRuns: 500 })
})

it('finds the same ports for several addresses', () => {
  const table = new PortTable()
  table.take('a', 'tcp', '0.0.0.0' as IpAddress, { from: 8000, to: 8001 })
  table.take('a', 'tcp', 'fd00::1' as IpAddress, { from: 8002, to: 8002 })
  const search = {
    protocol: 'tcp',
    range: { from: 8000, to: 8010 },
    count: 2,
    start: 8000,
  } as const
  expect(
    table.firstFree({ ...search, addresses: ['10.0.0.1', '::'] as IpAddress[], without: [] }),
  ).toBe(8003)
  const without = [[{ from: 8002, to: 8009 }]]
  const everywhere = ['0.0.0.0', '::'] as IpAddress[]
  expect(table.firstFree({ ...search, addresses: everywhere, without })).toBeUndefined()
})

it('holds ten thousand single ports', () => {
  const table = new PortTable()
  const address = '0.0.0.0' as IpAddress
  let found = 0
  for (let port = 1; port <= 20_000; port += 2) {
    table.take(`owner ${port}`, 'tcp', address, { from: port, to: port })
  }
  for (let port = 1; port <= 20_000; port += 2) {
    if (table.holder('tcp', address, { from: port, to: port + 1 })?.from === port) found += 1
    table.release(`owner ${port}`, 'tcp', address, { from: port, to: port })
  }
  expect(found).toBe(10_000)
})
