import { describe, expect, it } from 'vitest'
import { parseAddress, parsePrefix } from '../../address/address.ts'
import { ipamContract } from '../../testing/ipam-contract.ts'
import type { PoolId, PoolRequest } from '../ipam.ts'
import { local } from './local.ts'

ipamContract('local', { create: () => local({ seed: 'host' }) })

const web = 'network "web"'

/** The subnets chosen for so many requests in a row. */
async function choose(
  ipam: ReturnType<typeof local>,
  count: number,
  request: Partial<PoolRequest> = {},
): Promise<string[]> {
  const chosen: string[] = []
  for (let index = 0; index < count; index++) {
    const pool = await ipam.requestPool({ family: 4, holder: `network "${index}"`, ...request })
    chosen.push(pool.subnet)
  }
  return chosen
}

describe('default subnets', () => {
  it('begin at 10.100 and go onward', async () => {
    const ipam = local({ seed: 'host' })
    expect(await choose(ipam, 2)).toEqual(['10.100.0.0/24', '10.100.1.0/24'])
  })

  it('of IPv6 are /64s of one unique local /48 that follows from the seed', async () => {
    const [first, second] = await choose(local({ seed: 'host' }), 2, { family: 6 })
    expect(first).toMatch(/^fd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}::\/64$/)
    expect(second).toBe(first?.replace('::/64', ':1::/64'))
    expect(await choose(local({ seed: 'host' }), 1, { family: 6 })).toEqual([first])
    expect(await choose(local({ seed: 'other' }), 1, { family: 6 })).not.toEqual([first])
  })

  it.each([
    ['10.100.0.0/15', '10.102.0.0/24'],
    ['10.100.0.128/32', '10.100.1.0/24'],
    ['10.96.0.0/11', '10.128.0.0/24'],
    ['10.64.0.0/10', '10.128.0.0/24'],
    ['10.0.0.0/8', '172.16.0.0/24'],
    ['0.0.0.0/1', '172.16.0.0/24'],
    ['0.0.0.0/0', '10.100.0.0/24'],
    ['::/0', '10.100.0.0/24'],
  ])('jump past a route to %s', async (route, expected) => {
    const avoid = [parsePrefix(route)]
    expect(await choose(local({ seed: 'host' }), 1, { avoid })).toEqual([expected])
  })

  it('take nested and unsorted routes', async () => {
    const avoid = [
      '10.101.0.0/16',
      '10.100.0.0/17',
      '10.100.7.0/24',
      '10.100.0.0/16',
      '10.100.0.0/24',
    ]
    const request = { avoid: avoid.map(parsePrefix) }
    expect(await choose(local({ seed: 'host' }), 1, request)).toEqual(['10.102.0.0/24'])
  })

  it('go on in 10.0, 172.16 and 192.168, and come round to what was released', async () => {
    const ipam = local({ seed: 'host' })
    const all = await choose(ipam, 256 * (156 + 100 + 16 + 1))
    expect(all[256 * 156]).toBe('10.0.0.0/24')
    expect(all[256 * 256]).toBe('172.16.0.0/24')
    expect(all.at(-256)).toBe('192.168.0.0/24')
    expect(new Set(all).size).toBe(all.length)

    await expect(choose(ipam, 1)).rejects.toMatchObject({
      code: 'ADDRESSES_EXHAUSTED',
      message: expect.stringMatching(
        /^no \/24 is free in 10.0.0.0\/8, 172.* 10.0.0.0\/24 is held by network "39936", .* 69884 more by others$/,
      ),
    })
    for (const text of ['10.200.3.0/24', '10.1.0.0/24']) {
      await ipam.releasePool(text as string as PoolId)
    }
    expect(await choose(ipam, 2)).toEqual(['10.200.3.0/24', '10.1.0.0/24'])
    await ipam.releasePool('10.0.5.0/24' as string as PoolId)
    expect(await choose(ipam, 1)).toEqual(['10.0.5.0/24'])
  })

  it('go on after those replayed, and are not diverted by other subnets', async () => {
    const ipam = local({ seed: 'host' })
    for (const text of ['10.100.4.0/24', '10.100.2.0/24', '192.168.7.0/24', '10.150.0.0/16']) {
      await ipam.requestPool({ family: 4, subnet: parsePrefix(text), holder: web })
    }
    expect(await choose(ipam, 2)).toEqual(['10.100.3.0/24', '10.100.5.0/24'])
    await ipam.requestPool({ family: 4, subnet: parsePrefix('10.100.99.0/24'), holder: web })
    expect(await choose(ipam, 1)).toEqual(['10.100.6.0/24'])
  })

  it('can be asked for by length', async () => {
    const ipam = local({ seed: 'host' })
    expect(await choose(ipam, 2, { subnet: parsePrefix('0.0.0.0/28') })).toEqual([
      '10.100.0.0/28',
      '10.100.0.16/28',
    ])
    expect(await choose(ipam, 1)).toEqual(['10.100.1.0/24'])
    expect(await choose(ipam, 1, { subnet: parsePrefix('0.0.0.0/9') })).toEqual(['10.128.0.0/9'])
    await expect(choose(ipam, 1, { subnet: parsePrefix('0.0.0.0/0') })).rejects.toMatchObject({
      code: 'INVALID_POOL',
      message: 'a /0 does not fit into 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16',
    })
  })
})

describe('messages', () => {
  it('of overlaps name both subnets and the other holder', async () => {
    const ipam = local({ seed: 'host' })
    await ipam.requestPool({ family: 4, subnet: parsePrefix('10.7.0.0/16'), holder: web })
    const request = {
      family: 4,
      subnet: parsePrefix('10.7.3.0/24'),
      holder: 'network "b"',
    } as const
    await expect(ipam.requestPool(request)).rejects.toMatchObject({
      message: '10.7.3.0/24 overlaps with 10.7.0.0/16, the subnet of network "web"',
      details: { subnet: '10.7.3.0/24', other: '10.7.0.0/16', holder: web },
    })
  })

  it('of exhaustion name a few holders, and list more as data', async () => {
    const ipam = local({ seed: 'host' })
    const subnet = parsePrefix('10.7.0.0/24')
    const range = parsePrefix('10.7.0.0/28')
    const { id: pool } = await ipam.requestPool({ family: 4, subnet, range, holder: web })
    const outside = parseAddress('10.7.0.99')
    await ipam.requestAddress({ pool, address: outside, holder: 'auxiliary address "printer"' })
    await ipam.requestAddress({ pool, holder: 'gateway' })
    for (let index = 2; index < 16; index++) {
      await ipam.requestAddress({ pool, holder: `endpoint "c${index}"` })
    }
    const error = await ipam.requestAddress({ pool, holder: 'endpoint "late"' }).catch((e) => e)
    expect(error).toMatchObject({
      code: 'ADDRESSES_EXHAUSTED',
      message:
        'network "web" has no free address left in 10.7.0.0/28: 10.7.0.1 is held by gateway, ' +
        '10.7.0.2 is held by endpoint "c2", 10.7.0.3 is held by endpoint "c3", ' +
        '10.7.0.4 is held by endpoint "c4", 11 more by others',
      hint: 'disconnect endpoints, or ask for an address of 10.7.0.0/24 outside the range 10.7.0.0/28',
    })
    expect(error.details).toMatchObject({ range: '10.7.0.0/28', total: 15 })
    expect(Object.keys(error.details.holders)).toHaveLength(15)
    expect(error.details.holders['10.7.0.15']).toBe('endpoint "c15"')
  })

  it.each([
    ['10.7.0.0', '10.7.0.0 is the network address of 10.7.0.0/24'],
    ['10.7.0.255', '10.7.0.255 is the broadcast address of 10.7.0.0/24'],
    ['10.8.0.1', '10.8.0.1 is outside 10.7.0.0/24, the subnet of network "web"'],
  ])('of the address %s', async (text, message) => {
    const ipam = local({ seed: 'host' })
    const subnet = parsePrefix('10.7.0.0/24')
    const { id: pool } = await ipam.requestPool({ family: 4, subnet, holder: web })
    const request = ipam.requestAddress({ pool, address: parseAddress(text), holder: 'gateway' })
    await expect(request).rejects.toThrow(message)
  })

  it('of a range that has only reserved addresses', async () => {
    const subnet = parsePrefix('10.7.0.0/24')
    const range = parsePrefix('10.7.0.0/32')
    const request = { family: 4, subnet, range, holder: web } as const
    await expect(local({ seed: 'host' }).requestPool(request)).rejects.toMatchObject({
      code: 'INVALID_POOL',
      message: 'range 10.7.0.0/32 has only addresses that are reserved in 10.7.0.0/24',
    })
  })
})

describe('given subnets', () => {
  const request = (text: string) => {
    const subnet = parsePrefix(text)
    const family = text.includes(':') ? 6 : 4
    return local({ seed: 'host' }).requestPool({ family, holder: web, subnet })
  }

  it.each(['224.1.0.0/16', '128.0.0.0/1', 'ff02::/64', 'fe80::/80', 'fe80::/10'])(
    'are not what is everybody’s: %s',
    async (text) => {
      await expect(request(text)).rejects.toMatchObject({
        code: 'INVALID_POOL',
        message: expect.stringContaining(text),
      })
    },
  )

  it.each(['fe80::/64', 'fe80:1::/64', 'fd00::/8', '223.0.0.0/8'])('can be %s', async (text) => {
    expect((await request(text)).subnet).toBe(text)
  })
})
