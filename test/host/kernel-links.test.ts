import { closeSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { MacAddress } from '#dist/address/address.js'
import type { Resource } from '#dist/kernel/resource.js'
import {
  add,
  defaultRoute,
  type KernelRig,
  kernelRig,
  network,
  port,
  remove,
} from '../support/kernel-rig.ts'

const box = (rig: KernelRig) => rig.box('box')

it('attaches a sandbox to an IPv4 network', async () => {
  await using rig = await kernelRig()
  const namespace = box(rig)
  await add(
    rig.kernel,
    ...network('br-a', 7),
    { kind: 'namespace', namespace },
    ...port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 }),
    defaultRoute('eth0', '10.7.0.1', namespace),
  )
  const [hostEnd] = await rig.host.ip<object[]>('-j -d link show v-a')
  expect(hostEnd).toMatchObject({
    operstate: 'UP',
    master: 'br-a',
    linkinfo: { info_kind: 'veth', info_slave_data: { hairpin: true } },
  })
  const inside = async (args: string) =>
    JSON.parse(await rig.host.inside(namespace.path, ['ip', '-j', ...args.split(' ')]))
  expect(await inside('link')).toMatchObject([
    { ifname: 'lo', flags: expect.arrayContaining(['UP']) },
    { ifname: 'eth0', address: '02:00:00:07:00:02', flags: expect.arrayContaining(['UP']) },
  ])
  const [, eth0] = await inside('addr')
  expect(eth0.addr_info).toMatchObject([{ local: '10.7.0.2', prefixlen: 16 }])
  expect(await inside('route')).toMatchObject([
    { dst: 'default', gateway: '10.7.0.1', dev: 'eth0', protocol: '211' },
    { dst: '10.7.0.0/16', dev: 'eth0' },
  ])
  await rig.host.inside(namespace.path, ['ping', '-c1', '-W1', '10.7.0.1'])
})

it('sends no IPv6 on an IPv4 network, from neither end', async () => {
  await using rig = await kernelRig()
  const namespace = box(rig)
  await add(
    rig.kernel,
    ...network('br-a', 7),
    { kind: 'namespace', namespace },
    ...port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 }),
  )
  // What would be said of IPv6 at a link's birth is said before this ends.
  await rig.host.inside(namespace.path, ['ping', '-c6', '-i0.5', '-W1', '10.7.0.1'])
  const counters = await rig.host.inside(namespace.path, ['cat', '/proc/net/snmp6'])
  expect(counters).toMatch(/^Ip6InReceives\s+0$/m)
  expect(counters).toMatch(/^Ip6OutRequests\s+0$/m)
})

it('gives an IPv6 address that answers at once, to the first of its network too', async () => {
  await using rig = await kernelRig()
  const namespace = box(rig)
  await add(
    rig.kernel,
    ...network('br-a', 7, true),
    { kind: 'namespace', namespace },
    ...port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2, ipv6: true }),
    defaultRoute('eth0', 'fd00:7::1', namespace),
  )
  const fd = await rig.kernel.openSocket(namespace, {
    family: 6,
    type: 'tcp',
    address: 'fd00:7::2' as never,
    port: 80,
  })
  expect(fd).toBeGreaterThan(2)
  closeSync(fd)
  await rig.host.inside(namespace.path, ['ping', '-c1', '-W1', 'fd00:7::1'])
  const settings = await rig.host.inside(namespace.path, [
    'sh',
    '-c',
    'cd /proc/sys/net/ipv6/conf/eth0 && cat accept_ra accept_dad',
  ])
  expect(settings).toBe('0\n0\n')
})

it('leaves a living sandbox: its names are free, its other network goes on', async () => {
  await using rig = await kernelRig()
  const namespace = box(rig)
  const first = port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 })
  const second = { namespace, name: 'v-b', inside: 'eth1', bridge: 'br-b', n: 8, number: 2 }
  const through = defaultRoute('eth0', '10.7.0.1', namespace)
  await add(
    rig.kernel,
    ...network('br-a', 7),
    ...network('br-b', 8),
    { kind: 'namespace', namespace },
    ...first,
    ...port(second),
    through,
  )
  await rig.kernel.apply({
    remove: [...first, through],
    add: [defaultRoute('eth1', '10.8.0.1', namespace)],
  })
  const inside = (args: string) => rig.host.inside(namespace.path, ['ip', ...args.split(' ')])
  expect(await inside('-o addr')).not.toContain('10.7.0.2')
  expect(await inside('route')).toMatch(/^default via 10\.8\.0\.1 dev eth1/)
  expect(await inside('-o link')).not.toMatch(/\beth0\b/)
  await rig.host.inside(namespace.path, ['ping', '-c1', '-W1', '10.8.0.1'])
  // The name is taken again before the old link is gone.
  await add(rig.kernel, ...first)
  await rig.host.inside(namespace.path, ['ping', '-c1', '-W1', '10.7.0.1'])
  await rig.kernel.settled()
  expect((await rig.links()).sort()).toEqual(['br-a', 'br-b', 'v-a', 'v-b'])
  expect(await inside('-o link')).not.toContain('gone')
})

it('takes the links of a sandbox with it, though a socket keeps its namespace', async () => {
  await using rig = await kernelRig()
  const namespace = box(rig)
  const all = [
    { kind: 'namespace', namespace } as const,
    ...port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 }),
  ]
  await add(rig.kernel, ...network('br-a', 7), ...all)
  const socket = { family: 4, type: 'udp', address: '10.7.0.2' as never, port: 53 } as const
  const fd = await rig.kernel.openSocket(namespace, socket)
  try {
    await remove(rig.kernel, ...all)
    await rig.kernel.settled()
    expect(await rig.links()).toEqual(['br-a'])
  } finally {
    closeSync(fd)
  }
})

it('keeps the size of a bridge when its ports go', async () => {
  await using rig = await kernelRig()
  const namespace = box(rig)
  const [bridge, gateway] = network('br-a', 7)
  await add(rig.kernel, { ...bridge, mtu: 1400 } as never, gateway!, {
    kind: 'namespace',
    namespace,
  })
  const ends = port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 })
  await add(rig.kernel, ...ends)
  await remove(rig.kernel, ...ends)
  await rig.kernel.settled()
  expect(await rig.host.ip('-j link show br-a')).toMatchObject([{ mtu: 1400 }])
})

it('makes a pair whose other end somebody else moves and sets up', async () => {
  await using rig = await kernelRig()
  const peer = { name: 'p-a', mac: '02:00:00:00:00:0a' as MacAddress, ipv6: false }
  const pair: Resource = { kind: 'veth', name: 'v-a', bridge: 'br-a', mtu: 1400, peer }
  await add(rig.kernel, ...network('br-a', 7), pair)
  const [born] = await rig.host.ip<object[]>('-j -d link show p-a')
  expect(born).toMatchObject({ address: peer.mac, mtu: 1400, operstate: 'DOWN' })
  const box = await rig.host.createNamespace('theirs')
  await rig.host.ip(`link set p-a netns ${box} name eth7`)
  await rig.host.inside(box, ['ip', 'addr', 'add', '10.7.0.9/16', 'dev', 'eth7'])
  await rig.host.inside(box, ['ip', 'link', 'set', 'eth7', 'up'])
  await rig.host.inside(box, ['ping', '-c1', '-W1', '10.7.0.1'])
  expect(await rig.kernel.compare([pair])).toEqual([])
  await rig.host.ip('link set v-a down')
  expect(await rig.kernel.compare([pair])).toMatchObject([{ state: 'different' }])
  await add(rig.kernel, pair)
  expect(await rig.kernel.compare([pair])).toEqual([])
  await remove(rig.kernel, pair)
  await rig.kernel.settled()
  const left = await rig.host.inside(box, ['ip', '-br', 'link'])
  expect(left.trim().split('\n')).toHaveLength(1)
})
