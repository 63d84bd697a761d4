import { expect, it, vi } from 'vitest'
import { Life, MemoryRig } from '../../test/support/memory-rig.ts'
import type { IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { Runtime } from './runtime.ts'

const id = <T>(digit: string) => digit.repeat(64) as T
const net = id<NetworkId>('a')
const one = id<EndpointId>('1')
const two = id<EndpointId>('2')
const subnet = '10.7.0.0/24' as Prefix
const mac = '02:42:00:00:00:01' as MacAddress
const key = '/var/run/docker/netns/0123456789ab'
const network = { name: 'docker-a', subnets: [{ subnet, gateway: '10.7.0.1' }] }
const published = [{ ports: 80, hostPorts: 8080 }]

async function attached(docker: Runtime): Promise<void> {
  await docker.requestPool({ family: 4, subnet })
  await docker.requestAddress({ subnet }, { gateway: true })
  await docker.createNetwork(net, network)
  const ip = await docker.requestAddress({ subnet }, { mac })
  await docker.createEndpoint(one, net, { name: 'one', ip, mac })
  await docker.join(one, key)
  await docker.publish(one, published)
}

async function detached(docker: Runtime): Promise<void> {
  await docker.unpublish(one)
  await docker.leave(one)
  await docker.deleteEndpoint(one)
  await docker.releaseAddress(subnet, '10.7.0.2' as IpAddress)
  await docker.releasePool(subnet)
  await docker.deleteNetwork(net)
}

it('has a container on a network, and leaves nothing behind', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const before = rig.snapshot()
  const docker = cnm.runtime('docker')
  await attached(docker)
  expect(rig.kernel.lines().filter((line) => line.includes('type veth'))).toEqual([
    'ip link add peer1111111111 up mtu 1400 type veth',
    'ip link add veth1111111111 up group cnm-1 master br-aaaaaaaaaa mtu 1400 type veth peer name peer1111111111 mtu 1400 address 02:42:00:00:00:01 # learning off',
  ])
  expect(await cnm.endpoint(one).inspect()).toMatchObject({
    ipv4: '10.7.0.2',
    runtime: 'docker',
    ports: [{ hostAddress: '0.0.0.0', hostPorts: { from: 8080, to: 8080 }, state: 'active' }],
  })
  expect((await cnm.sandboxes()).map((box) => box.info)).toMatchObject([
    { name: 'docker-0123456789ab', origin: 'elsewhere', runtime: 'docker' },
  ])
  expect(await cnm.doctor()).toEqual([])
  await detached(docker)
  expect(rig.snapshot()).toEqual(before)
})

it('takes every call twice', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const before = rig.snapshot()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  await docker.createNetwork(net, network)
  const ip = await docker.requestAddress({ subnet }, { mac })
  expect(await docker.requestAddress({ subnet }, { mac })).toBe(ip)
  await docker.createEndpoint(one, net, { name: 'one', ip, mac })
  await docker.createEndpoint(one, net, { name: 'one', ip, mac })
  const joined = await docker.join(one, key)
  expect(joined).toEqual({
    name: 'peer1111111111',
    prefix: 'eth',
    mac,
    addresses: ['10.7.0.2/24'],
    gateway4: '10.7.0.1',
    routes: [],
  })
  expect(await docker.join(one, key)).toEqual(joined)
  const there = rig.snapshot()
  await docker.publish(one, published)
  const more = rig.snapshot()
  await docker.publish(one, published)
  expect(rig.snapshot()).toEqual(more)
  for (let n = 0; n < 2; n++) await docker.unpublish(one)
  expect(rig.snapshot()).toEqual(there)
  for (let n = 0; n < 2; n++) await docker.leave(one)
  for (let n = 0; n < 2; n++) await docker.deleteEndpoint(one)
  for (let n = 0; n < 2; n++) await docker.deleteNetwork(net)
  expect(rig.snapshot()).toEqual(before)
})

it.each([
  ['with its link', (rig: MemoryRig) => rig.kernel.removeLink('veth1111111111')],
  ['without its link', (rig: MemoryRig) => rig.kernel.returnLink('peer1111111111')],
])('ends after a restart what was in a container that has ended, %s', async (_, end) => {
  const rig = new MemoryRig()
  const before = rig.snapshot()
  const first = await rig.start()
  await attached(first.runtime('docker'))
  rig.kernel.takeLink('peer1111111111')
  await first.close()
  await (await rig.start()).close()
  end(rig)
  await using second = await rig.start()
  expect(await second.doctor()).toEqual([])
  expect(await second.endpoints()).toEqual([])
  expect(await second.sandboxes()).toEqual([])
  expect(rig.kernel.lines().filter((line) => line.includes('type veth'))).toEqual([])
  const docker = second.runtime('docker')
  await docker.createEndpoint(two, net, { name: 'two', ip: '10.7.0.2' })
  await docker.join(two, key)
  await docker.publish(two, published)
  await docker.deleteEndpoint(two)
  await detached(docker)
  const { machine, records } = rig.snapshot()
  expect(records).toEqual(before.records)
  expect(machine).toEqual(before.machine)
})

it('keeps what goes on in a container, or is on its way into one', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  const docker = first.runtime('docker')
  await attached(docker)
  await docker.createEndpoint(two, net, { name: 'two' })
  await docker.join(two, '/var/run/docker/netns/ba9876543210')
  rig.kernel.takeLink('peer1111111111')
  await first.close()
  await using second = await rig.start()
  expect(await second.doctor({ fix: true })).toEqual([])
  expect(await second.sandboxes()).toHaveLength(2)
  // Never moved, and nothing heard of it since.
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 121_000)
  const [ended] = await second.doctor({ fix: true })
  vi.restoreAllMocks()
  expect(ended).toEqual({
    kind: 'ended',
    detail: 'endpoint "two" of network "docker-a" is in a container of docker that has ended',
    mended: true,
  })
  expect((await second.endpoints()).map(({ info }) => info.name)).toEqual(['one'])
  expect(await second.doctor()).toEqual([])
})

it('tells of containers that have ended, and ends them together', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await attached(docker)
  const other = id<NetworkId>('b')
  await docker.createNetwork(other, { name: 'docker-b', subnets: ['10.8.0.0/24'] })
  await docker.createEndpoint(two, other, { name: 'two' })
  await docker.join(two, key)
  for (const name of ['veth1111111111', 'veth2222222222']) rig.kernel.removeLink(name)
  const kinds = async (fix: boolean) =>
    (await cnm.doctor({ fix })).map((it) => [it.kind, it.mended])
  expect(await kinds(false)).toEqual(Array(2).fill(['ended', false]))
  expect(await kinds(true)).toEqual(Array(2).fill(['ended', true]))
  expect(await kinds(false)).toEqual([])
  expect(await cnm.sandboxes()).toEqual([])
})

it('refuses nothing for the sake of a container that has ended', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await attached(docker)
  await docker.createEndpoint(two, net, { name: 'two', ip: '10.7.0.3' })
  await docker.join(two, '/var/run/docker/netns/ba9876543210')
  await expect(docker.publish(two, published)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  rig.kernel.takeLink('peer1111111111')
  await expect(docker.publish(two, published)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  rig.kernel.returnLink('peer1111111111')
  await docker.publish(two, published)
  const three = id<EndpointId>('3')
  await docker.createEndpoint(three, net, { name: 'three', ip: '10.7.0.2' })
  expect((await cnm.endpoints()).map(({ info }) => info.name).sort()).toEqual(['three', 'two'])
})

it('has several endpoints in one container, which goes with the last', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  const other = id<NetworkId>('b')
  await docker.createNetwork(other, { name: 'docker-b', subnets: ['10.8.0.0/24'] })
  await docker.createEndpoint(one, net, { name: 'one' })
  await docker.createEndpoint(two, other, { name: 'two' })
  await Promise.all([docker.join(one, key), docker.join(two, key)])
  expect(await cnm.sandboxes()).toHaveLength(1)
  await Promise.all([docker.deleteEndpoint(one), docker.leave(two)])
  expect(await cnm.sandboxes()).toEqual([])
})

it('frees what is not used within a while, and no earlier', async () => {
  const rig = new MemoryRig()
  // More than a busy machine takes from one of these calls to the next.
  await using cnm = await rig.start(new Life(), 500)
  const docker = cnm.runtime('docker')
  await docker.requestPool({ family: 4, subnet })
  const own = () => cnm.createNetwork({ name: 'own', subnets: [subnet] })
  await expect(own()).rejects.toMatchObject({ code: 'POOL_OVERLAP' })
  await expect.poll(() => own().then(({ name }) => name, String)).toBe('own')
  await cnm.network('own').delete()
  await docker.createNetwork(net, network)
  const ip = await docker.requestAddress({ subnet }, { mac })
  await docker.createEndpoint(two, net, { name: 'two', ip, mac })
  await docker.join(two, key)
  const held = await docker.requestAddress({ subnet }, { mac: '02:42:00:00:00:09' as MacAddress })
  const take = () => docker.createEndpoint(one, net, { name: 'one', ip: held })
  await expect
    .poll(() =>
      cnm
        .network(net)
        .createEndpoint({ name: 'x', ip: held })
        .then(
          () => 1,
          () => 0,
        ),
    )
    .toBe(1)
  await expect(take()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  expect((await cnm.endpoints()).map(({ name }) => name)).toContain('two')
})

it('releases only what is of that engine', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await first.runtime('docker').createNetwork(net, network)
  await first.network(net).createEndpoint({ name: 'own', ip: '10.7.0.9' })
  await first.runtime('docker').createEndpoint(one, net, { name: 'one', ip: '10.7.0.10' })
  await first.close()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.releaseAddress(subnet, '10.7.0.9' as IpAddress)
  expect((await cnm.endpoints()).map(({ name }) => name)).toContain('own')
  await docker.releaseAddress('10.8.0.0/24' as Prefix, '10.7.0.10' as IpAddress)
  expect(cnm.now.endpoint(one).name).toBe('one')
  await docker.releaseAddress(subnet, '10.7.0.10' as IpAddress)
  await expect(cnm.endpoint(one).inspect()).rejects.toThrow('there is no endpoint')
  await docker.releasePool(subnet)
  await expect(docker.deleteNetwork(net)).rejects.toMatchObject({ code: 'NETWORK_IN_USE' })
})

it('takes no address from who got it after the one that it is released for', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  const ip = await docker.requestAddress({ subnet }, { mac })
  await docker.createEndpoint(one, net, { name: 'one', ip, mac })
  await docker.deleteEndpoint(one)
  await docker.requestAddress({ subnet }, { address: ip })
  await docker.createEndpoint(two, net, { name: 'two', ip })
  await docker.join(two, key)
  await docker.releaseAddress(subnet, ip)
  expect(await cnm.endpoint(two).inspect()).toMatchObject({ ipv4: ip, joined: {} })
})

it('ends who of a former life has an address that another one is made with', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  const before = first.runtime('docker')
  await before.createNetwork(net, network)
  await before.createEndpoint(one, net, { name: 'one', ip: '10.7.0.9' })
  await before.join(one, key)
  await first.close()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createEndpoint(two, net, { name: 'two', ip: '10.7.0.9' })
  expect((await cnm.endpoints()).map(({ name }) => name)).toEqual(['two'])
  expect(await cnm.sandboxes()).toEqual([])
  const third = docker.createEndpoint(id('3'), net, { name: 'three', ip: '10.7.0.9' })
  await expect(third).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
})

it('keeps an address for an endpoint that is refused, until it is released', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  const group = '01:00:5e:00:00:01' as MacAddress
  const ip = await docker.requestAddress({ subnet }, { mac: group })
  const options = { name: 'one', ip, mac: group }
  await expect(docker.createEndpoint(one, net, options)).rejects.toThrow(group)
  const take = () => cnm.network(net).createEndpoint({ name: 'own', ip })
  await expect(take()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  await docker.releaseAddress(subnet, ip)
  await take()
})

it('forgets what was held for a network that is gone', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  const ip = await docker.requestAddress({ subnet }, { mac })
  await docker.deleteNetwork(net)
  const again = id<NetworkId>('b')
  await docker.createNetwork(again, { ...network, name: 'docker-b' })
  await cnm.network(again).createEndpoint({ name: 'own', ip })
  expect(await docker.requestAddress({ subnet }, { mac })).not.toBe(ip)
  await expect(docker.createEndpoint(one, again, { name: 'one', ip })).rejects.toMatchObject({
    code: 'ADDRESS_IN_USE',
  })
})

it('gives two endpoints with one MAC two addresses', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  for (const [endpoint, name] of [
    [one, 'one'],
    [two, 'two'],
  ] as const) {
    const ip = await docker.requestAddress({ subnet }, { mac })
    await docker.createEndpoint(endpoint, net, { name, ip, mac })
  }
  expect((await cnm.endpoint(two).inspect()).ipv4).not.toBe(
    (await cnm.endpoint(one).inspect()).ipv4,
  )
})

it('forgets a container whose endpoint was deleted by hand', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  await docker.createEndpoint(one, net, { name: 'one' })
  await docker.join(one, key)
  await cnm.endpoint(one).delete()
  await docker.leave(one)
  expect(await cnm.sandboxes()).toEqual([])
})

it('keeps its networks when unused ones are deleted, and its containers to itself', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const docker = cnm.runtime('docker')
  await docker.createNetwork(net, network)
  expect(await cnm.prune()).toEqual([])
  await docker.createEndpoint(one, net, { name: 'one' })
  await docker.join(one, key)
  const [container] = await cnm.sandboxes()
  const web = await cnm.createNetwork({ name: 'web' })
  await expect(container!.connect(web)).rejects.toThrow(`sandbox "${container!.name}" is docker's`)
  await expect(container!.exec(['true'])).rejects.toThrow('is a container of docker')
  await docker.createEndpoint(two, net, { name: 'two' })
  const box = await cnm.createSandbox({ name: 'box' })
  await expect(cnm.endpoint(two).join(box)).rejects.toThrow(`endpoint "two" is docker's`)
  await box.connect(cnm.network(net))
})

it('dies at any call of an attach or a detach, and nothing is left over', async () => {
  for (const act of [attached, detached]) {
    for (let calls = 0; ; calls += 1) {
      const rig = new MemoryRig()
      const clean = rig.snapshot()
      const life = new Life()
      const first = await rig.start(life)
      if (act === detached) await attached(first.runtime('docker'))
      life.dieAfter(calls)
      const ended = await act(first.runtime('docker')).then(
        () => true,
        () => false,
      )
      // It stays dead: what it has begun in the background must not go on beside the next one.
      if (!ended) life.dieAfter(-1)
      await using second = await rig.start()
      expect((await second.doctor()).filter(({ kind }) => kind !== 'lost')).toEqual([])
      await detached(second.runtime('docker'))
      expect(rig.snapshot(), `after ${calls} calls`).toEqual(clean)
      if (ended) break
      expect(calls).toBeLessThan(100)
    }
  }
})
