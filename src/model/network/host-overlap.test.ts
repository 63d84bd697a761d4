import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { Cidr, IpAddress, Prefix } from '../../address/address.ts'
import type { HostView, Kernel } from '../../kernel/kernel.ts'
import { createController } from '../controller.ts'

/** A host with a second link, a VPN's route, a bridge of its own and a resolver behind the gateway. */
function rig(): MemoryRig {
  const made = new MemoryRig()
  const { kernel } = made
  kernel.addLink({ name: 'lan', addresses: ['10.20.0.5/16', 'fd20::5/64', 'fe80::5/64'] as Cidr[] })
  kernel.addLink({ name: 'br0', type: 'bridge', addresses: ['10.30.0.1/24'] as Cidr[] })
  kernel.addRoute({ destination: '10.40.0.0/16' as Prefix, link: 'lan' })
  kernel.addRoute({
    destination: '10.50.0.0/16' as Prefix,
    gateway: '10.20.0.1' as IpAddress,
    link: 'lan',
  })
  return made
}

/** Whose resolv.conf has these servers. */
async function engineWith(made: MemoryRig, servers: readonly string[] = []) {
  const parts = made.parts()
  const view = async (): Promise<HostView> => {
    const seen = await parts.kernel.view()
    return { ...seen, resolver: { ...seen.resolver, servers: servers as IpAddress[] } }
  }
  const kernel: Kernel = { ...parts.kernel, view }
  return createController({ ...parts, kernel })
}

describe('a subnet that the host uses is refused:', () => {
  it.each([
    ['10.20.7.0/24', `the host's on-link route 10.20.0.0/16 of link "lan"`, 'lan'],
    ['10.20.0.0/24', `the host's address 10.20.0.5/16 on link "lan"`, 'lan'],
    ['10.0.0.0/8', `the host's address 10.20.0.5/16 on link "lan"`, 'lan'],
    ['10.40.3.0/24', `the host's on-link route 10.40.0.0/16 of link "lan"`, 'lan'],
    ['198.51.100.0/30', `the host's address 198.51.100.2/24 on link "uplink"`, 'uplink'],
    ['10.30.0.0/24', `the host's address 10.30.0.1/24 on link "br0"`, 'br0'],
    ['fd20::/64', `the host's address fd20::5/64 on link "lan"`, 'lan'],
    ['fd20::1:0/112', `the host's on-link route fd20::/64 of link "lan"`, 'lan'],
    ['9.9.9.0/24', "the host's resolver 9.9.9.9 (resolv.conf)", undefined],
    ['fd53::/64', "the host's resolver fd53::53 (resolv.conf)", undefined],
  ])('%s', async (subnet, what, link) => {
    const made = rig()
    await using cnm = await engineWith(made, ['9.9.9.9', 'fd53::53', '127.0.0.53'])
    const before = made.snapshot()
    const refused = cnm.createNetwork({ name: 'web', subnets: [subnet] })
    await expect(refused).rejects.toMatchObject({
      code: 'POOL_OVERLAP',
      message: `network "web": ${subnet} overlaps with ${what}`,
      details: link === undefined ? { subnet } : { subnet, link },
      hint: expect.stringContaining('hostOverlap=true'),
    })
    expect(made.snapshot()).toEqual(before)
    const options = { hostOverlap: true }
    await cnm.createNetwork({ name: 'web', subnets: [subnet], options })
    expect(await cnm.doctor()).toEqual([])
  })

  it('that of a gateway, though no address and no route is in it', async () => {
    const made = rig()
    const gateway = '192.0.2.1' as IpAddress
    made.kernel.addRoute({ destination: '10.60.0.0/16' as Prefix, gateway, link: 'lan' })
    await using cnm = await made.start()
    await expect(cnm.createNetwork({ name: 'a', subnets: ['192.0.2.0/24'] })).rejects.toThrow(
      `overlaps with the host's gateway 192.0.2.1 on link "lan"`,
    )
  })
})

it('a route by a gateway is no obstacle, and a chosen subnet keeps clear of all', async () => {
  await using cnm = await engineWith(rig(), ['172.17.0.53'])
  const vpn = await cnm.createNetwork({ name: 'vpn', subnets: ['10.50.3.0/24'] })
  expect((await vpn.inspect()).warnings).toEqual([
    `10.50.3.0/24 overlaps with the host's route 10.50.0.0/16 by 10.20.0.1 on link "lan": what of it is in the network is reached there no more`,
  ])
  const chosen = await cnm.createNetwork({ name: 'any' })
  expect(await chosen.inspect()).not.toHaveProperty('warnings')
  expect((await chosen.inspect()).ipv4?.subnet).not.toBe('172.17.0.0/16')
  expect(await cnm.doctor()).toEqual([])
})

it('networks of our own are no links of the host, and an adopted bridge may have what is on it', async () => {
  const made = rig()
  made.kernel.addRoute({
    destination: '10.70.0.0/16' as Prefix,
    gateway: '10.30.0.254' as IpAddress,
    link: 'br0',
  })
  await using cnm = await engineWith(made, ['10.30.0.53'])
  await cnm.createNetwork({ name: 'a', subnets: ['10.7.0.0/24'] })
  await expect(cnm.createNetwork({ name: 'b', subnets: ['10.7.0.0/25'] })).rejects.toThrow(
    'the subnet of network "a"',
  )
  await cnm.createNetwork({ name: 'c', options: { bridge: 'br0' } })
  expect((await cnm.network('c').inspect()).ipv4?.subnet).toBe('10.30.0.0/24')
  expect(await cnm.doctor()).toEqual([])
})

it('a resolver of the host that is in a network is no overlap', async () => {
  const made = rig()
  {
    await using cnm = await made.start()
    const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
    const box = await cnm.createSandbox({ name: 'dns' })
    await box.connect(web, { ip: '10.7.0.53' })
  }
  await using cnm = await engineWith(made, ['10.7.0.53', '10.7.0.1'])
  expect(await cnm.doctor()).toEqual([])
})

it('tells a few of many routes', async () => {
  const made = rig()
  for (const n of [1, 2, 3, 4, 5]) {
    const destination = `10.8.${n}.0/24` as Prefix
    made.kernel.addRoute({ destination, gateway: '10.20.0.1' as IpAddress, link: 'lan' })
  }
  await using cnm = await made.start()
  const wide = await cnm.createNetwork({ name: 'wide', subnets: ['10.8.0.0/16'] })
  expect((await wide.inspect()).warnings).toHaveLength(4)
  expect((await wide.inspect()).warnings?.at(-1)).toBe(
    '10.8.0.0/16 overlaps with 2 more routes of the host',
  )
})

it('where the host has no address on the bridge, it is cut off from nothing', async () => {
  await using cnm = await rig().start()
  const subnets = ['10.20.0.0/16']
  await cnm.createNetwork({ name: 'lan', subnets, options: { inhibit4: true } })
  expect(await cnm.doctor()).toEqual([])
  const options = { gatewayMode6: 'isolated' }
  const six = { ipv4: false, subnets: ['fd20::/64'], internal: true }
  await cnm.createNetwork({ name: 'six', ...six, options })
})

it('what the host gets later doesn’t keep a network from starting, and doctor tells it', async () => {
  const made = rig()
  {
    await using cnm = await made.start()
    await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  }
  made.kernel.addLink({ name: 'vpn', addresses: ['10.7.0.200/24' as Cidr] })
  await using cnm = await made.start()
  expect(await cnm.network('web').inspect()).toMatchObject({ ipv4: { subnet: '10.7.0.0/24' } })
  expect(await cnm.doctor()).toEqual([
    {
      kind: 'overlap',
      detail:
        'network "web" has 10.7.0.0/24, which overlaps with the host\'s address 10.7.0.200/24 on link "vpn"',
      mended: false,
    },
  ])
})

describe('a subnet in which no endpoint can have an address is refused:', () => {
  it.each([
    ['127.5.0.0/16', 'loopback'],
    ['0.5.0.0/16', 'this host'],
    ['0.0.0.0/0', 'this host'],
    ['224.1.0.0/16', 'multicast'],
    ['240.0.0.0/8', 'reserved'],
    ['255.255.255.0/24', 'reserved'],
    ['::5:0/112', 'reserved'],
    ['::1/128', 'no address for an endpoint'],
    ['fe80::/64', 'link-local'],
    ['fe80:1::/64', 'link-local'],
    ['ff05::/64', 'multicast'],
    ['10.9.0.1/32', 'no address for an endpoint'],
    ['10.9.0.0/31', 'no address for an endpoint'],
    ['fd09::1/128', 'no address for an endpoint'],
    ['128.0.0.0/1', 'multicast'],
  ])('%s', async (subnet, reason) => {
    const made = rig()
    await using cnm = await made.start()
    const before = made.snapshot()
    await expect(
      cnm.createNetwork({ name: 'web', subnets: [subnet], options: { hostOverlap: true } }),
    ).rejects.toMatchObject({ code: 'INVALID_POOL', message: expect.stringContaining(reason) })
    expect(made.snapshot()).toEqual(before)
  })

  it.each(['10.9.0.0/30', 'fd09::/126', '0.0.0.0/26', '::/72'])('but not %s', async (subnet) => {
    await using cnm = await rig().start()
    await cnm.createNetwork({ name: 'web', subnets: [subnet] })
  })
})
