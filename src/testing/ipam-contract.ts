import { describe, expect, it } from 'vitest'
import {
  addressFromBigInt,
  contains,
  familyOf,
  type IpAddress,
  type IpFamily,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixLength,
  prefixOf,
  prefixRange,
} from '../address/address.ts'
import type { ErrorCode } from '../base/errors.ts'
import type { Ipam, PoolId } from '../ipam/ipam.ts'

/** What an IPAM may by its nature be unable to do. */
export type IpamFeature = 'choosing subnets' | 'given subnets' | 'addresses'

export interface IpamContractOptions {
  /** A new one that has handed out nothing; called at least once for each case. */
  create(): Ipam | Promise<Ipam>
  /** Features it doesn't have, each with the reason, which is shown beside the skipped cases. */
  readonly skips?: Readonly<Partial<Record<IpamFeature, string>>>
}

/** What every IPAM must do, as tests. To be called at the top level of a vitest file. */
export function ipamContract(name: string, { create, skips = {} }: IpamContractOptions): void {
  const casesFor =
    (reason: string | undefined): Case =>
    (title, run) => {
      it(title, async (context) => {
        if (reason !== undefined) context.skip(reason)
        await run(await create())
      })
    }
  describe(`${name} keeps the IPAM contract`, () => {
    generalCases(casesFor(undefined))
    describe('choosing subnets', () => choosingCases(casesFor(skips['choosing subnets'])))
    describe('given subnets', () => givenCases(casesFor(skips['given subnets'])))
    describe('addresses', () => {
      const test = casesFor(skips.addresses)
      givenAddressCases(test)
      freeAddressCases(test)
      onwardCases(test)
      replayCases(test, create)
    })
  })
}

type Case = (title: string, run: (ipam: Ipam) => Promise<void>) => void

const families: readonly IpFamily[] = [4, 6]
const web = 'network "web"'
const subnet = parsePrefix('10.7.0.0/24')
/** Without its first and last address it has six. */
const small = parsePrefix('10.7.9.8/29')

function generalCases(test: Case): void {
  test('gives a pool of the family asked for', async (ipam) => {
    for (const family of families) {
      const pool = await ipam.requestPool({ family, holder: web })
      expect(familyOf(pool.subnet)).toBe(family)
    }
  })

  test('releases without complaint what is not held', async (ipam) => {
    const pool = await ipam.requestPool({ family: 4, holder: web })
    await ipam.releaseAddress(pool.id, parseAddress('10.7.0.9'))
    await ipam.releasePool(pool.id)
    await ipam.releasePool(pool.id)
    await ipam.releaseAddress(pool.id, parseAddress('10.7.0.9'))
  })
}

function choosingCases(test: Case): void {
  for (const family of families) {
    test(`keeps IPv${family} away from other pools and from what is to be avoided`, async (ipam) => {
      // Default routes go everywhere and must not keep it from choosing.
      const avoid = [parsePrefix('0.0.0.0/0'), parsePrefix('::/0')]
      const a = await ipam.requestPool({ family, holder: 'network "a"', avoid })
      avoid.push(after(a.subnet))
      const b = await ipam.requestPool({ family, holder: 'network "b"', avoid })
      expect(overlaps(a.subnet, b.subnet)).toBe(false)
      expect(overlaps(after(a.subnet), b.subnet)).toBe(false)
    })

    test(`does not soon choose an IPv${family} subnet again`, async (ipam) => {
      const seen: Prefix[] = []
      for (let round = 0; round < 20; round++) {
        const pool = await ipam.requestPool({ family, holder: web })
        for (const other of seen) expect(overlaps(other, pool.subnet)).toBe(false)
        seen.push(pool.subnet)
        await ipam.releasePool(pool.id)
      }
    })
  }
}

function givenCases(test: Case): void {
  test('gives the subnet that is named', async (ipam) => {
    expect((await ipam.requestPool({ family: 4, subnet, holder: web })).subnet).toBe(subnet)
    const six = parsePrefix('fd07::/64')
    expect((await ipam.requestPool({ family: 6, subnet: six, holder: web })).subnet).toBe(six)
  })

  test('refuses a subnet that overlaps and names the other holder', async (ipam) => {
    const pool = await ipam.requestPool({ family: 4, subnet, holder: web })
    for (const text of [subnet, '10.7.0.128/25', '10.0.0.0/8']) {
      const request = { family: 4, subnet: parsePrefix(text), holder: 'network "api"' } as const
      await refuses('POOL_OVERLAP', ipam.requestPool(request), [web])
    }
    await ipam.releasePool(pool.id)
    await ipam.requestPool({ family: 4, subnet: parsePrefix('10.0.0.0/8'), holder: web })
  })

  test('gives neighbours of a subnet', async (ipam) => {
    for (const text of ['10.7.1.0/24', '10.6.255.0/24', '10.7.0.0/24']) {
      await ipam.requestPool({ family: 4, subnet: parsePrefix(text), holder: web })
    }
  })

  test('refuses a subnet of the wrong family', async (ipam) => {
    await refuses('INVALID_POOL', ipam.requestPool({ family: 6, subnet, holder: web }))
  })

  test('refuses a range without its subnet, outside it, or of another family', async (ipam) => {
    const range = parsePrefix('10.7.0.128/25')
    await refuses('INVALID_POOL', ipam.requestPool({ family: 4, range, holder: web }))
    for (const text of ['10.7.1.0/25', '10.7.0.0/16', 'fd07::/64']) {
      const request = { family: 4, subnet, range: parsePrefix(text), holder: web } as const
      await refuses('INVALID_POOL', ipam.requestPool(request))
    }
    await ipam.requestPool({ family: 4, subnet, range, holder: web })
  })
}

function givenAddressCases(test: Case): void {
  test('gives the address that is named, once', async (ipam) => {
    const pool = await requestSubnet(ipam, subnet)
    const request = { pool, address: parseAddress('10.7.0.77') }
    expect(await ipam.requestAddress({ ...request, holder: 'endpoint "a"' })).toBe('10.7.0.77')
    const again = ipam.requestAddress({ ...request, holder: 'endpoint "b"' })
    await refuses('ADDRESS_IN_USE', again, ['10.7.0.77', 'endpoint "a"'])
    await ipam.releaseAddress(pool, request.address)
    expect(await ipam.requestAddress({ ...request, holder: 'endpoint "b"' })).toBe('10.7.0.77')
  })

  test('refuses addresses outside the pool', async (ipam) => {
    const pool = await requestSubnet(ipam, subnet)
    for (const text of ['10.7.1.1', '10.6.255.255', 'fd07::1']) {
      const address = parseAddress(text)
      await refuses('INVALID_ADDRESS', ipam.requestAddress({ pool, address, holder: 'gateway' }))
    }
  })

  test('refuses network, broadcast and anycast addresses', async (ipam) => {
    const four = await requestSubnet(ipam, subnet)
    const six = await requestSubnet(ipam, parsePrefix('fd07::/64'))
    const reserved = [
      [four, '10.7.0.0'],
      [four, '10.7.0.255'],
      [six, 'fd07::'],
    ] as const
    for (const [pool, text] of reserved) {
      const address = parseAddress(text)
      await refuses('INVALID_ADDRESS', ipam.requestAddress({ pool, address, holder: 'gateway' }))
    }
  })

  test('gives every address of a subnet that is too small for reserved ones', async (ipam) => {
    for (const text of ['10.7.0.4/31', '10.7.0.9/32', 'fd07::4/127', 'fd07::9/128']) {
      const prefix = parsePrefix(text)
      const pool = await requestSubnet(ipam, prefix)
      expect(await takeAll(ipam, pool)).toEqual(addressesOf(prefix))
    }
  })

  test('knows no address of a pool that was released', async (ipam) => {
    const pool = await requestSubnet(ipam, subnet)
    await ipam.requestAddress({ pool, holder: 'gateway' })
    await ipam.releasePool(pool)
    await refuses('INVALID_POOL', ipam.requestAddress({ pool, holder: 'gateway' }))
    const again = await requestSubnet(ipam, small)
    expect(await takeAll(ipam, again)).toHaveLength(6)
  })
}

function freeAddressCases(test: Case): void {
  test('hands out every address once, then says who holds them', async (ipam) => {
    const pool = await requestSubnet(ipam, small)
    expect((await takeAll(ipam, pool)).sort()).toEqual(addressesOf(small).slice(1, -1).sort())
    const next = ipam.requestAddress({ pool, holder: 'endpoint "late"' })
    await refuses('ADDRESSES_EXHAUSTED', next, [web, 'endpoint "0"'])
  })

  test('hands out nothing outside the range, but gives what is named', async (ipam) => {
    const range = parsePrefix('10.7.0.16/30')
    const { id } = await ipam.requestPool({ family: 4, subnet, range, holder: web })
    const outside = parseAddress('10.7.0.200')
    await ipam.requestAddress({ pool: id, address: outside, holder: 'endpoint "printer"' })
    await ipam.releaseAddress(id, outside)
    expect((await takeAll(ipam, id)).sort()).toEqual(addressesOf(range))
    await ipam.requestAddress({ pool: id, address: outside, holder: 'endpoint "printer"' })
  })

  test('never hands out an address that was named', async (ipam) => {
    const pool = await requestSubnet(ipam, small)
    await ipam.requestAddress({ pool, holder: 'gateway' })
    const named = parseAddress('10.7.9.12')
    await ipam.requestAddress({ pool, address: named, holder: 'endpoint "named"' })
    const rest = await takeAll(ipam, pool)
    expect(rest).toHaveLength(4)
    expect(rest).not.toContain(named)
  })

  test('keeps pools apart', async (ipam) => {
    const a = await requestSubnet(ipam, small)
    const b = await requestSubnet(ipam, subnet)
    await takeAll(ipam, a)
    const address = await ipam.requestAddress({ pool: b, holder: 'gateway' })
    expect(contains(subnet, address)).toBe(true)
  })
}

function onwardCases(test: Case): void {
  test('hands a released address out again after all others', async (ipam) => {
    const pool = await requestSubnet(ipam, small)
    const first = await ipam.requestAddress({ pool, holder: 'endpoint "a"' })
    await ipam.releaseAddress(pool, first)
    expect((await takeAll(ipam, pool)).indexOf(first)).toBe(5)
  })

  test('then hands out the one that was released first', async (ipam) => {
    const pool = await requestSubnet(ipam, small)
    const all = await takeAll(ipam, pool)
    const order = [3, 0, 5].map((index) => all[index]!)
    for (const address of order) await ipam.releaseAddress(pool, address)
    expect(await takeAll(ipam, pool)).toEqual(order)
  })

  test('releases an address once, however often it is told', async (ipam) => {
    const pool = await requestSubnet(ipam, small)
    const [first] = await takeAll(ipam, pool)
    await ipam.releaseAddress(pool, first!)
    await ipam.releaseAddress(pool, first!)
    expect(await takeAll(ipam, pool)).toEqual([first])
  })
}

function replayCases(test: Case, create: IpamContractOptions['create']): void {
  test('goes on after what is replayed, and forgets no address', async (before) => {
    const pool = await requestSubnet(before, small)
    const held = await takeSome(before, pool, 3)
    await before.releaseAddress(pool, held.shift()!)

    const ipam = await create()
    const again = await requestSubnet(ipam, small)
    for (const address of held) {
      const replayed = await ipam.requestAddress({ pool: again, address, holder: 'endpoint' })
      expect(replayed).toBe(address)
    }
    const rest = await takeAll(ipam, again)
    expect([...held, ...rest].sort()).toEqual(addressesOf(small).slice(1, -1).sort())
    const expected = await takeSome(before, pool, 3)
    expect(rest.slice(0, 3)).toEqual(expected)
  })
}

async function requestSubnet(ipam: Ipam, prefix: Prefix): Promise<PoolId> {
  const family = familyOf(prefix)
  const pool = await ipam.requestPool({ family, subnet: prefix, holder: web })
  return pool.id
}

/** The holders are `endpoint "0"`, `endpoint "1"` … */
async function takeSome(ipam: Ipam, pool: PoolId, count: number): Promise<IpAddress[]> {
  const taken: IpAddress[] = []
  for (let index = 0; index < count; index++) {
    taken.push(await ipam.requestAddress({ pool, holder: `endpoint "${index}"` }))
  }
  return taken
}

/** Until none is left; only for small pools. */
async function takeAll(ipam: Ipam, pool: PoolId): Promise<IpAddress[]> {
  const taken: IpAddress[] = []
  for (let index = 0; index < 100; index++) {
    try {
      taken.push(await ipam.requestAddress({ pool, holder: `endpoint "${index}"` }))
    } catch (error) {
      const { code } = error as { code?: string }
      expect(['ADDRESSES_EXHAUSTED', 'PLUGIN_FAILED']).toContain(code)
      return taken
    }
  }
  throw new Error(`${pool} has no end`)
}

async function refuses(
  code: ErrorCode,
  request: Promise<unknown>,
  named: readonly string[] = [],
): Promise<void> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'CnmError' })
  // Another program says in words what is wrong, and knows no holders.
  if ((error as { code?: string }).code === 'PLUGIN_FAILED') return
  expect(error).toMatchObject({ code })
  for (const word of named) expect((error as Error).message).toContain(word)
}

function addressesOf(prefix: Prefix): IpAddress[] {
  const { first, last } = prefixRange(prefix)
  const count = Number(last - first + 1n)
  return Array.from({ length: count }, (_, index) =>
    addressFromBigInt(first + BigInt(index), familyOf(prefix)),
  )
}

/** The prefix of that length that comes next. */
function after(prefix: Prefix): Prefix {
  const next = addressFromBigInt(prefixRange(prefix).last + 1n, familyOf(prefix))
  return prefixOf(next, prefixLength(prefix))
}
