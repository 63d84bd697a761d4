import { symlink } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answering, FakePlugin, faults } from '../../test/support/fake-plugin.ts'
import type { Cidr } from '../address/address.ts'
import type { LocalController } from '../model/controller.ts'

let fake: FakePlugin
let cnm: LocalController

beforeEach(async () => {
  fake = await FakePlugin.start()
  cnm = await fake.engine()
})

afterEach(() => fake[Symbol.asyncDispose]())

const web = { name: 'web', driver: 'fake', ipam: 'fake' } as const

it('tells a driver what comes and goes, in order', async () => {
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const before = fake.state()
  fake.calls.length = 0
  const endpoint = await box.connect(network, { publish: ['8080:80'] })
  expect(await endpoint.inspect()).toMatchObject({ ipv4: '10.66.0.2', plugin: 'ready' })
  expect(fake.calls.filter((call) => !/^(Activate|GetCapabilities)$/.test(call))).toEqual([
    'RequestAddress',
    'CreateEndpoint',
    'Join',
    'ProgramExternalConnectivity',
  ])
  expect(fake.rig.kernel.lines()).toContainEqual(
    expect.stringMatching(/^ip link set si-\w{10} netns \S+ name eth0 up$/),
  )
  fake.calls.length = 0
  await endpoint.leave()
  expect(fake.calls).toEqual([
    'RevokeExternalConnectivity',
    'Leave',
    'DeleteEndpoint',
    'ReleaseAddress',
  ])
  expect(fake.state()).toEqual(before)
  await cnm.down()
  expect([fake.networks.size, fake.endpoints.size, fake.addresses.size]).toEqual([0, 0, 0])
  expect(fake.rig.problems).toEqual([])
})

it('gives a link of the driver’s own no rate, when it joins and later', async () => {
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const rate = { toSandbox: '10mbit' }
  const refusal = {
    code: 'NOT_ALLOWED',
    message: 'endpoint "end" can have no rate: its link is that of driver "fake"',
  }
  const before = fake.state()
  await expect(box.connect(network, { name: 'end', rate })).rejects.toMatchObject(refusal)
  expect(fake.state()).toEqual(before)
  const endpoint = await box.connect(network, { name: 'end' })
  const joined = fake.state()
  await expect(endpoint.update({ rate })).rejects.toMatchObject(refusal)
  expect(fake.state()).toEqual(joined)
})

describe('when a plugin', () => {
  describe.each(Object.entries(faults))('%s', (fault, happens) => {
    it.each(['RequestPool', 'CreateNetwork'])('to %s, there is no network', async (method) => {
      const before = fake.state()
      fake.faults.set(method, happens)
      await expectFailure(method, cnm.createNetwork(web), fault)
      await expect.poll(() => fake.state()).toEqual(before)
      await cnm.createNetwork(web)
    })

    it.each(['RequestAddress', 'CreateEndpoint', 'Join', 'ProgramExternalConnectivity'])(
      'to %s, nothing is connected',
      async (method) => {
        const network = await cnm.createNetwork(web)
        const box = await cnm.createSandbox({ name: 'box' })
        const before = fake.state()
        fake.faults.set(method, happens)
        await expectFailure(method, box.connect(network, { publish: ['80:80'] }), fault)
        expect(fake.state()).toEqual(before)
        expect(await box.endpoints()).toEqual([])
        await box.connect(network, { publish: ['80:80'] })
      },
    )

    it('to Leave and DeleteEndpoint, the endpoint is gone all the same', async () => {
      const network = await cnm.createNetwork(web)
      const box = await cnm.createSandbox({ name: 'box' })
      const endpoint = await box.connect(network)
      fake.faults.set('Leave', happens)
      fake.faults.set('DeleteEndpoint', happens)
      await endpoint.leave()
      expect(await box.endpoints()).toEqual([])
      expect(fake.rig.kernel.lines().join('\n')).not.toContain('eth0')
    })
  })

  const nonsense = [
    ['an address of another family', 'RequestAddress', { Address: 'fd00::9/64' }],
    ['an address outside the pool', 'RequestAddress', { Address: '10.99.0.9/24' }],
    ['no address', 'RequestAddress', { Address: '' }],
    ['the address of another', 'RequestAddress', { Address: '10.66.0.1/24' }],
    ['an address that it was told', 'CreateEndpoint', { Interface: { Address: '10.66.0.2/24' } }],
    ['no MAC', 'CreateEndpoint', { Interface: { MacAddress: '01:00:00:00:00:01' } }],
    [
      'a link that there is not',
      'Join',
      { InterfaceName: { SrcName: 'nowhere', DstPrefix: 'eth' } },
    ],
    ['a link of the host’s own', 'Join', { InterfaceName: { SrcName: 'uplink' } }],
    ['the loopback', 'Join', { InterfaceName: { SrcName: 'lo' } }],
    ['no end of names', 'Join', { InterfaceName: { SrcName: 'x'.repeat(1_000_000) } }],
    ['the name of all links', 'Join', { InterfaceName: { SrcName: 'x', DstName: 'all' } }],
    [
      'a default route of its own',
      'Join',
      { InterfaceName: { SrcName: 'x' }, StaticRoutes: [{ Destination: '::/0', RouteType: 1 }] },
    ],
    [
      'no end of routes',
      'Join',
      {
        InterfaceName: { SrcName: 'x' },
        StaticRoutes: Array.from({ length: 1_001 }, () => ({ Destination: '10.1.0.0/16' })),
      },
    ],
    ['the name of no link', 'Join', { InterfaceName: { SrcName: 'a/b', DstPrefix: 'eth' } }],
    [
      'a gateway of another family',
      'Join',
      { InterfaceName: { SrcName: 'x' }, Gateway: 'fd00::1' },
    ],
    ['a gateway without a link', 'Join', { Gateway: '10.66.0.1' }],
    [
      'a route without a gateway',
      'Join',
      { InterfaceName: { SrcName: 'x' }, StaticRoutes: [{ Destination: '10.1.0.0/16' }] },
    ],
  ] as const

  it.each(nonsense)('answers %s to %s, nothing is connected', async (_, method, answer) => {
    const addresses = ['203.0.113.7/24' as Cidr]
    fake.rig.kernel.addLink({ name: 'uplink', addresses })
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const before = fake.state()
    fake.faults.set(method, answering(answer))
    await expectFailure(method, box.connect(network))
    expect(fake.state()).toEqual(before)
    await box.connect(network)
  })

  it.each([
    ['a pool of another family', { PoolID: 'pool', Pool: 'fd00::/64' }],
    ['another pool than the one asked for', { PoolID: 'pool', Pool: '10.77.0.0/24' }],
    ['a pool without an id', { PoolID: '', Pool: '10.67.0.0/24' }],
  ])('answers %s, there is no network', async (_, answer) => {
    const before = fake.state()
    fake.faults.set('RequestPool', answering(answer))
    await expectFailure('RequestPool', cnm.createNetwork({ ...web, subnets: ['10.67.0.0/24'] }))
    expect(fake.state()).toEqual(before)
  })

  it('gives a subnet that a network of another IPAM has, there is no network', async () => {
    const subnets = ['10.66.0.0/24']
    for (const [first, second] of [
      ['local', 'fake'],
      ['fake', 'local'],
    ] as const) {
      const there = await cnm.createNetwork({ name: 'there', ipam: first, subnets })
      const before = fake.state()
      await expect(cnm.createNetwork({ name: 'a', ipam: second, subnets })).rejects.toMatchObject({
        code: 'POOL_OVERLAP',
        message: expect.stringContaining('the subnet of network "there"'),
      })
      expect(fake.state()).toEqual(before)
      await there.delete()
    }
    await cnm.createNetwork({ ...web, subnets })
  })

  it('has an address twice, the first who has it keeps it', async () => {
    const network = await cnm.createNetwork(web)
    const [a, b] = [await cnm.createSandbox({ name: 'a' }), await cnm.createSandbox({ name: 'b' })]
    await a.connect(network)
    const before = fake.state()
    fake.faults.set('RequestAddress', answering({ Address: '10.66.0.2/24' }))
    await expect(b.connect(network)).rejects.toMatchObject({
      code: 'PLUGIN_FAILED',
      message: expect.stringContaining('10.66.0.2, which endpoint "a" has'),
    })
    expect(fake.state()).toEqual(before)
  })
})

async function expectFailure(method: string, work: Promise<unknown>, fault = ''): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const isAway = fault === 'hangs' || fault === 'dies in the middle'
  expect(error).toMatchObject({ code: isAway ? 'PLUGIN_UNAVAILABLE' : 'PLUGIN_FAILED' })
  const { message } = error as Error
  expect(message).toContain('plugin "fake"')
  expect(message).toContain(`.${method}`)
  expect(message.length).toBeLessThan(1_000)
}

it('hangs up nothing else while it hangs', async () => {
  fake.faults.set('CreateNetwork', faults.hangs)
  const slow = cnm.createNetwork(web)
  slow.catch(() => {})
  await expect.poll(() => fake.calls).toContain('CreateNetwork')
  const other = await cnm.createNetwork({ name: 'other' })
  const box = await cnm.createSandbox({ connect: [{ network: other.name }] })
  expect(await box.endpoints()).toHaveLength(1)
  await expect(cnm.createNetwork({ name: 'web' })).rejects.toMatchObject({ code: 'NETWORK_EXISTS' })
  await expect(slow).rejects.toMatchObject({ code: 'PLUGIN_UNAVAILABLE' })
})

it('takes no plugin for a driver of its own, whatever it is called', async () => {
  await symlink(join(fake.folder, 'fake.sock'), join(fake.folder, 'bridge.sock'))
  fake.calls.length = 0
  await cnm.createNetwork({ name: 'own', driver: 'bridge' })
  expect(fake.calls).toEqual([])
  expect(await cnm.plugin('bridge')).toMatchObject({ state: 'ready', networks: [] })
})

it('knows no driver and no IPAM that nothing serves', async () => {
  await expect(cnm.createNetwork({ ...web, driver: 'nobody' })).rejects.toMatchObject({
    code: 'UNKNOWN_DRIVER',
    message: 'there is no driver "nobody"',
  })
  await expect(cnm.createNetwork({ name: 'web', ipam: 'nobody' })).rejects.toMatchObject({
    code: 'UNKNOWN_IPAM',
  })
  await expect(cnm.plugin('nobody')).rejects.toMatchObject({ code: 'PLUGIN_NOT_FOUND' })
})

describe('a driver that chooses addresses itself', () => {
  const bare = { ...web, ipam: 'null' } as const
  const choosing = (Interface: object) => answering({ Interface })

  it('is believed', async () => {
    const network = await cnm.createNetwork(bare)
    const box = await cnm.createSandbox({ name: 'box' })
    // What it does besides is done all the same.
    const answer = choosing({ Address: '10.66.0.7/24', MacAddress: '02:00:00:00:00:07' })
    fake.faults.set('CreateEndpoint', (request, response) => {
      fake.rig.kernel.addLink({ name: 'chosen', type: 'tun' })
      answer(request, response)
    })
    const InterfaceName = { SrcName: 'chosen', DstPrefix: 'net' }
    fake.faults.set('Join', answering({ InterfaceName, Gateway: '10.66.0.1' }))
    const endpoint = await box.connect(network)
    expect(await endpoint.inspect()).toMatchObject({ ipv4: '10.66.0.7', mac: '02:00:00:00:00:07' })
    const lines = fake.rig.kernel.lines().join('\n')
    expect(lines).toContain('address add 10.66.0.7/24 dev net0')
    expect(lines).toContain('route replace default via 10.66.0.1 dev net0')
  })

  it.each([
    ['of another family', { Address: 'fd00::7/64' }],
    ['of a family that the network has not', { AddressIPv6: 'fd00::7/64' }],
    ['that are none', { Address: '10.66.0/24' }],
  ])('is not believed where they are %s', async (_, Interface) => {
    const network = await cnm.createNetwork(bare)
    const box = await cnm.createSandbox({ name: 'box' })
    const before = fake.state()
    fake.faults.set('CreateEndpoint', choosing(Interface))
    await expectFailure('CreateEndpoint', box.connect(network))
    expect(fake.state()).toEqual(before)
  })

  it('is not believed where they are in use', async () => {
    const network = await cnm.createNetwork(bare)
    await network.createEndpoint({ name: 'a', persistent: true })
    fake.faults.set('CreateEndpoint', choosing({ Address: '10.66.0.7/24' }))
    await network.createEndpoint({ name: 'b', persistent: true })
    const before = fake.state()
    fake.faults.set('CreateEndpoint', choosing({ Address: '10.66.0.7/24' }))
    await expect(network.createEndpoint({ name: 'c' })).rejects.toMatchObject({
      code: 'PLUGIN_FAILED',
      message: expect.stringContaining('10.66.0.7, which endpoint "b" has'),
    })
    expect(fake.state()).toEqual(before)
  })

  it('is not believed where it gives them to another meanwhile', async () => {
    const network = await cnm.createNetwork(bare)
    const [a, b] = [await cnm.createSandbox({ name: 'a' }), await cnm.createSandbox({ name: 'b' })]
    let answer: (() => void) | undefined
    fake.faults.set('CreateEndpoint', choosing({ Address: '10.66.0.7/24' }))
    fake.faults.set('Join', (_, response) => {
      answer = () => response.end('{}')
    })
    const first = a.connect(network)
    await expect.poll(() => answer).toBeDefined()
    fake.faults.set('CreateEndpoint', choosing({ Address: '10.66.0.7/24' }))
    await expect(b.connect(network)).rejects.toThrow('10.66.0.7, which endpoint "a" has')
    answer?.()
    expect(await (await first).inspect()).toMatchObject({ ipv4: '10.66.0.7' })
  })
})

it('tells a plugin’s driver that ports are as they were, where it fails to publish more', async () => {
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await box.connect(network, { publish: ['80:80'] })
  const before = fake.state()
  fake.calls.length = 0
  const told: string[] = []
  const remember = (fault: (typeof faults)['answers 500']) => {
    return (request: IncomingMessage, response: ServerResponse) => {
      request.on('data', (body) => told.push(...(String(body).match(/"HostPort":\d+/g) ?? [])))
      fault(request, response)
    }
  }
  fake.faults.set('ProgramExternalConnectivity', (request, response) => {
    fake.faults.set('ProgramExternalConnectivity', remember(answering({})))
    remember(faults['answers 500'])(request, response)
  })
  await expect(endpoint.publish(['81:81'])).rejects.toMatchObject({ code: 'PLUGIN_FAILED' })
  expect(told).toEqual(['"HostPort":80', '"HostPort":81', '"HostPort":80'])
  expect(fake.state()).toEqual(before)
})

it('makes no sandbox whose network can’t be had', async () => {
  const network = await cnm.createNetwork(web)
  const other = await cnm.createNetwork({ name: 'other' })
  const before = fake.state()
  const connect = [{ network: other.name }, { network: network.name }]
  fake.faults.set('Join', faults['answers 500'])
  await expect(cnm.createSandbox({ name: 'box', connect })).rejects.toMatchObject({
    code: 'PLUGIN_FAILED',
  })
  expect(fake.state()).toEqual(before)
  const box = await cnm.createSandbox({ name: 'box', connect })
  expect(await box.endpoints()).toHaveLength(2)
})

it('tells a plugin’s driver when its endpoint becomes the way out, and when it is none any more', async () => {
  const network = await cnm.createNetwork(web)
  const other = await cnm.createNetwork({ name: 'other' })
  const box = await cnm.createSandbox({ name: 'box' })
  await box.connect(network, { gwPriority: -1, publish: ['80:80'] })
  fake.calls.length = 0
  const first = await box.connect(other)
  expect(fake.calls).toEqual(['RevokeExternalConnectivity'])
  fake.calls.length = 0
  await first.leave()
  expect(fake.calls).toEqual(['ProgramExternalConnectivity'])
})
