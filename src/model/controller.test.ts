import { expect, it } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import type { CnmEvent } from '../api/reports.ts'

const subnets = ['10.7.0.0/24']

it('connects sandboxes and takes everything back', async () => {
  const rig = new MemoryRig()
  const before = rig.snapshot()
  await using cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web', subnets })
  const box = await cnm.createSandbox({ name: 'api' })
  const endpoint = await box.connect(web, { aliases: ['backend'] })
  expect(await endpoint.inspect()).toMatchObject({
    name: 'api',
    ipv4: '10.7.0.2',
    aliases: ['backend'],
    joined: { sandbox: box.id, link: 'eth0' },
  })
  const path = `/run/cnm/netns/${box.id.slice(0, 12)}`
  const bridge = `br-${web.id.slice(0, 10)}`
  const inside = rig.kernel.lines().filter((line) => line.includes(path))
  expect(inside.join('\n')).toContain(`ip -n ${path} address add 10.7.0.2/24 dev eth0`)
  expect(inside.join('\n')).toContain('route replace default via 10.7.0.1 dev eth0')
  expect(rig.kernel.lines().join('\n')).toContain(`ip address add 10.7.0.1/24 dev ${bridge}`)
  await box.delete()
  await web.delete()
  expect(rig.snapshot()).toEqual(before)
})

it('makes a sandbox and its connections in one step', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'a' })
  await cnm.createNetwork({ name: 'b' })
  const box = await cnm.createSandbox({ connect: [{ network: 'b' }, { network: 'a' }] })
  expect((await box.endpoints()).map((each) => each.info.joined?.link)).toEqual(['eth0', 'eth1'])
})

it('gives the default route to the right endpoint, and moves it', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const [a, b, c] = [
    await cnm.createNetwork({ name: 'a', subnets: ['10.1.0.0/24'] }),
    await cnm.createNetwork({ name: 'b', subnets: ['10.2.0.0/24'] }),
    await cnm.createNetwork({ name: 'c', subnets: ['10.3.0.0/24'], internal: true }),
  ]
  const box = await cnm.createSandbox()
  const gateway = () =>
    /route replace default via (\S+) dev eth/.exec(rig.kernel.lines().join('\n'))?.[1]
  await box.connect(c)
  expect(gateway()).toBeUndefined()
  const onB = await box.connect(b)
  expect(gateway()).toBe('10.2.0.1')
  await box.connect(a)
  expect(gateway()).toBe('10.1.0.1')
  await onB.leave()
  const again = await box.connect(b, { gwPriority: 5 })
  expect(gateway()).toBe('10.2.0.1')
  await again.leave()
  expect(gateway()).toBe('10.1.0.1')
  expect(await cnm.doctor()).toEqual([])
})

it('lets an endpoint of its own join, leave and join another sandbox', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web', subnets })
  const endpoint = await web.createEndpoint({ name: 'db', ip: '10.7.0.9', persistent: true })
  const one = await cnm.createSandbox({ name: 'one' })
  const two = await cnm.createSandbox({ name: 'two' })
  await endpoint.join(one)
  await expect(endpoint.join(two)).rejects.toMatchObject({
    code: 'ENDPOINT_IN_USE',
    message: 'endpoint "db" has joined sandbox "one" already',
  })
  await endpoint.leave()
  await expect(endpoint.leave()).rejects.toMatchObject({ code: 'ENDPOINT_NOT_JOINED' })
  await endpoint.join(two)
  await two.delete()
  expect(await endpoint.inspect()).toMatchObject({ ipv4: '10.7.0.9', state: 'ready' })
  expect((await endpoint.inspect()).joined).toBeUndefined()
  expect(await cnm.doctor()).toEqual([])
})

it('collects an endpoint that never joins, but no persistent one', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start(undefined, 5)
  const web = await cnm.createNetwork({ name: 'web' })
  const gone = nextEvent(await cnm.events(), 'delete')
  const kept = await web.createEndpoint({ name: 'kept', persistent: true })
  await web.createEndpoint({ name: 'idle' })
  expect((await gone).name).toBe('idle')
  expect((await web.endpoints()).map(({ name }) => name)).toEqual(['kept'])
  await kept.delete()
})

it('collects an ephemeral network with its last endpoint', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'brief', ephemeral: true })
  const box = await cnm.createSandbox({ connect: [{ network: 'brief' }] })
  const other = await cnm.createSandbox({ connect: [{ network: 'brief' }] })
  await box.delete()
  expect((await cnm.networks()).map(({ name }) => name)).toContain('brief')
  await other.delete()
  expect((await cnm.networks()).map(({ name }) => name)).not.toContain('brief')
})

it('collects an ephemeral network that nothing connects to', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start(undefined, 5)
  await cnm.createNetwork({ name: 'kept' })
  const gone = nextEvent(await cnm.events(), 'delete')
  await cnm.createNetwork({ name: 'unused', ephemeral: true })
  expect((await gone).name).toBe('unused')
  expect((await cnm.networks()).map(({ name }) => name)).toContain('kept')
})

it('collects an adopted sandbox whose namespace is gone', async () => {
  const rig = new MemoryRig()
  rig.kernel.addNamespace('/run/netns/theirs')
  await using cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web' })
  const box = await cnm.createSandbox({ name: 'theirs', netns: '/run/netns/theirs' })
  await box.connect(web)
  const gone = nextEvent(await cnm.events(), 'delete', 'sandbox')
  rig.kernel.removeNamespace('/run/netns/theirs')
  expect((await gone).name).toBe('theirs')
  expect(await web.endpoints()).toEqual([])
  expect(await cnm.doctor()).toEqual([])
  expect(rig.problems).toEqual([])
})

it('avoids the names of links that an adopted namespace has already', async () => {
  const rig = new MemoryRig()
  rig.kernel.addNamespace('/run/netns/theirs')
  rig.kernel.addLink({ name: 'eth0', namespace: { path: '/run/netns/theirs' } })
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  const box = await cnm.createSandbox({ netns: '/run/netns/theirs', connect: [{ network: 'web' }] })
  expect((await (await box.endpoints())[0]?.inspect())?.joined?.link).toBe('eth1')
  await box.delete()
  expect(rig.kernel.lines().join('\n')).toContain('link add eth0')
})

it('keeps the host and null networks to themselves', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  const own = await cnm.createSandbox({ name: 'own' })
  const hosted = await cnm.createSandbox({ name: 'hosted', host: true })
  await hosted.connect(cnm.network('host'))
  await expect(hosted.connect(cnm.network('web'))).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  await expect(own.connect(cnm.network('host'))).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  await own.connect(cnm.network('none'))
  await expect(own.connect(cnm.network('web'))).rejects.toMatchObject({
    code: 'NOT_ALLOWED',
    message: 'sandbox "own" is on network "none", which can\'t be combined with "web"',
  })
  await expect(cnm.createNetwork({ name: 'h2', driver: 'host' })).rejects.toMatchObject({
    code: 'NOT_ALLOWED',
  })
  await expect(cnm.network('none').delete()).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
})

it('adopts a bridge with its subnet and leaves it as it was', async () => {
  const rig = new MemoryRig()
  rig.kernel.addLink({
    name: 'lan',
    type: 'bridge',
    mtu: 9000,
    addresses: ['10.9.0.1/16' as never],
  })
  rig.kernel.writeSysctl('net/ipv4/conf/lan/forwarding', '0')
  const before = rig.snapshot()
  await using cnm = await rig.start()
  const net = await cnm.createNetwork({ name: 'lan', options: { bridge: 'lan' } })
  expect(await net.inspect()).toMatchObject({
    ipv4: { subnet: '10.9.0.0/16', gateway: '10.9.0.1' },
    options: { bridge: 'lan', mtu: 9000 },
  })
  expect((await net.inspect()).options).not.toHaveProperty('own')
  await expect(
    cnm.createNetwork({ name: 'lan2', options: { bridge: 'lan' } }),
  ).rejects.toMatchObject({ code: 'POOL_OVERLAP' })
  const box = await cnm.createSandbox({ connect: [{ network: 'lan' }] })
  await box.delete()
  await net.delete()
  expect(rig.snapshot()).toEqual(before)
})

it('reports what happened, in order, and only what is true', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const abort = new AbortController()
  const seen: CnmEvent[] = []
  const listening = (async () => {
    for await (const event of await cnm.events({ signal: abort.signal })) seen.push(event)
  })()
  const web = await cnm.createNetwork({ name: 'web' })
  const box = await cnm.createSandbox({ name: 'api' })
  rig.kernel.failAt(1)
  await expect(box.connect(web)).rejects.toMatchObject({ code: 'KERNEL' })
  await box.connect(web)
  await box.delete()
  await web.delete()
  abort.abort()
  await listening
  expect(seen.map(({ type, action, name }) => `${type} ${name} ${action}`)).toEqual([
    'network web create',
    'sandbox api create',
    'endpoint api create',
    'endpoint api join',
    'endpoint api leave',
    'endpoint api delete',
    'sandbox api delete',
    'network web delete',
  ])
  expect(seen.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(seen[3]?.attributes).toEqual({
    network: 'web',
    networkId: web.id,
    sandbox: 'api',
    sandboxId: box.id,
  })
})

async function nextEvent(
  events: AsyncIterable<CnmEvent>,
  action: CnmEvent['action'],
  type?: CnmEvent['type'],
): Promise<CnmEvent> {
  for await (const event of events) {
    if (event.action === action && (type === undefined || event.type === type)) return event
  }
  throw new Error(`no ${action} came`)
}
