import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DockerApiRig } from '../../../../test/support/docker-api-rig.ts'

let rig: DockerApiRig

beforeEach(async () => {
  rig = await DockerApiRig.start()
  await rig.create({ Name: 'web', IPAM: { Config: [{ Subnet: '10.9.0.0/24' }] } })
  await rig.cnm.createSandbox({ name: 'c1', labels: { tier: 'front' } })
})

afterEach(async () => {
  await rig[Symbol.asyncDispose]()
})

const connect = (network: string, body: object) =>
  rig.ask('POST', `/networks/${network}/connect`, body)
const disconnect = (network: string, body: object) =>
  rig.ask('POST', `/networks/${network}/disconnect`, body)

describe('connecting', () => {
  it('gives a sandbox what was asked for', async () => {
    await rig.cnm.createSandbox({ name: 'db', connect: [{ network: 'web' }] })
    const EndpointConfig = {
      IPAMConfig: { IPv4Address: '10.9.0.7', LinkLocalIPs: ['169.254.1.1'] },
      Aliases: ['front'],
      Links: ['db:store'],
      GwPriority: 3,
      MacAddress: '02:00:00:00:00:07',
      DriverOpts: { 'com.docker.network.endpoint.ifname': 'lan0' },
      NetworkID: 'is not looked at',
    }
    expect(await connect('web', { Container: 'c1', EndpointConfig })).toMatchObject({ status: 200 })
    const box = rig.cnm.now.sandbox('c1')
    expect(await (await box.endpoints())[0]?.inspect()).toMatchObject({
      ipv4: '10.9.0.7',
      aliases: ['front'],
      gwPriority: 3,
      mac: '02:00:00:00:00:07',
      interfaceName: 'lan0',
      linkLocal: ['169.254.1.1/16'],
      linkNames: { store: [(await rig.cnm.sandbox('db').endpoints())[0]?.id] },
    })
    expect((await rig.network('web')).Containers[box.id]).toEqual({
      Name: 'c1',
      EndpointID: (await box.endpoints())[0]?.id,
      MacAddress: '02:00:00:00:00:07',
      IPv4Address: '10.9.0.7/24',
      IPv6Address: '',
    })
  })

  it('takes ids and their beginnings', async () => {
    const { id } = rig.cnm.now.sandbox('c1')
    const network = (await rig.network('web')).Id
    const got = await connect(network.slice(0, 20), { Container: id.slice(0, 20) })
    expect(got.status).toBe(200)
    expect(await rig.cnm.sandbox('c1').endpoints()).toHaveLength(1)
  })

  it.each<[string, object, number, string]>([
    ['web', {}, 400, 'invalid name or ID supplied: ""'],
    ['web', { Container: 'zz' }, 404, 'No such container: zz'],
    ['zz', { Container: 'c1' }, 404, 'network zz not found'],
    ['web', { Container: 'on' }, 403, 'endpoint with name on already exists in network web'],
    ['host', { Container: 'c1' }, 400, 'connected to host network'],
    ['web', { Container: 'machine' }, 400, 'connected to host network'],
    ['none', { Container: 'on' }, 400, 'private (none) mode'],
    ['bridge', { Container: 'c1', EndpointConfig: { Aliases: ['x'] } }, 400, 'aliases'],
    [
      'bridge',
      { Container: 'c1', EndpointConfig: { IPAMConfig: { IPv4Address: '172.17.0.9' } } },
      400,
      'user specified IP address is supported on user defined networks only',
    ],
    [
      'web',
      { Container: 'c1', EndpointConfig: { IPAMConfig: { IPv4Address: '10.9.0.1' } } },
      403,
      'Address already in use',
    ],
    [
      'web',
      { Container: 'c1', EndpointConfig: { IPAMConfig: { IPv4Address: '10.10.0.7' } } },
      400,
      '10.10.0.7',
    ],
    ['web', { Container: 'c1', EndpointConfig: { Links: ['c1'] } }, 400, 'cannot link to c1'],
    ['web', { Container: 'c1', EndpointConfig: { Links: ['zz'] } }, 404, 'No such container: zz'],
    ['web', { Container: 'c1', EndpointConfig: { GwPriority: 'x' } }, 400, 'GwPriority must be'],
  ])('to %s with %j is refused', async (network, body, status, message) => {
    await rig.cnm.createSandbox({ name: 'on', connect: [{ network: 'web' }] })
    await rig.cnm.createSandbox({ name: 'machine', host: true })
    const got = await connect(network, body)
    expect(got).toMatchObject({ status, body: { message: expect.stringContaining(message) } })
    expect(await rig.cnm.sandbox('c1').endpoints()).toEqual([])
  })
})

describe('disconnecting', () => {
  it('takes it off, once', async () => {
    await connect('web', { Container: 'c1' })
    expect(await disconnect('web', { Container: 'c1' })).toMatchObject({ status: 200 })
    expect((await rig.network('web')).Containers).toEqual({})
    const { id } = rig.cnm.now.sandbox('c1')
    expect(await disconnect('web', { Container: 'c1', Force: true })).toMatchObject({
      status: 500,
      body: { message: `container ${id} is not connected to network web` },
    })
  })

  it('by force deletes an endpoint that belongs to no sandbox', async () => {
    await rig.cnm.network('web').createEndpoint({ name: 'left', persistent: true })
    expect(Object.keys((await rig.network('web')).Containers)[0]).toMatch(/^ep-[0-9a-f]{64}$/)
    expect((await disconnect('web', { Container: 'left' })).status).toBe(404)
    expect((await disconnect('web', { Container: 'left', Force: true })).status).toBe(200)
    expect(await rig.cnm.network('web').endpoints()).toEqual([])
    expect((await disconnect('web', { Container: 'left', Force: true })).status).toBe(404)
  })

  it('needs a network and a sandbox', async () => {
    expect((await disconnect('zz', { Container: 'c1' })).body.message).toBe('network zz not found')
    const unknown = await disconnect('web', { Container: 'zz' })
    expect(unknown).toMatchObject({ status: 404, body: { message: 'No such container: zz' } })
  })
})

describe('containers', () => {
  it('are the sandboxes', async () => {
    const EndpointConfig = { Aliases: ['x'], IPAMConfig: { IPv4Address: '10.9.0.7' } }
    await connect('web', { Container: 'c1', EndpointConfig })
    await (await rig.cnm.sandbox('c1').endpoints())[0]?.publish(['127.0.0.1:8080:80'])
    const { id } = rig.cnm.now.sandbox('c1')
    const [listed] = (await rig.ask('GET', '/containers/json?all=1')).body
    const Networks = { web: expect.objectContaining({ IPAddress: '10.9.0.7', IPPrefixLen: 24 }) }
    expect(listed).toMatchObject({
      Id: id,
      Names: ['/c1'],
      Labels: { tier: 'front' },
      State: 'running',
      Ports: [{ IP: '127.0.0.1', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' }],
      NetworkSettings: { Networks },
    })
    expect((await rig.ask('GET', '/containers/c1/json')).body).toMatchObject({
      Id: id,
      Name: '/c1',
      State: { Running: true },
      NetworkSettings: {
        Ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] },
        Networks,
      },
    })
  })

  it.each<[object, number]>([
    [{ name: ['c1'] }, 1],
    [{ name: ['^/c1$'] }, 1],
    [{ name: ['c2'] }, 0],
    [{ label: ['tier=front'] }, 1],
    [{ network: ['web'] }, 0],
    [{ network: ['nowhere'] }, 0],
    [{ network: ['nowhere', 'back'] }, 1],
    [{ status: ['exited'] }, 0],
  ])('are listed with the filters %j', async (filters, count) => {
    await rig.cnm.createNetwork({ name: 'back' })
    await rig.cnm.sandbox('c1').connect(rig.cnm.network('back'))
    const query = encodeURIComponent(JSON.stringify(filters))
    expect((await rig.ask('GET', `/containers/json?filters=${query}`)).body).toHaveLength(count)
  })

  it('have a status that there is', async () => {
    const got = await rig.ask('GET', '/containers/json?filters={"status":["bogus"]}')
    expect(got).toMatchObject({ status: 400, body: { message: "invalid filter 'status=bogus'" } })
  })

  it('are not made here', async () => {
    for (const path of ['/containers/create', '/containers/c1/start']) {
      const got = await rig.ask('POST', path, {})
      expect(got).toMatchObject({
        status: 501,
        body: { message: expect.stringMatching('sandbox') },
      })
    }
    expect((await rig.ask('DELETE', '/containers/c1')).status).toBe(501)
    expect((await rig.ask('GET', '/containers/c1/logs?stdout=1')).status).toBe(501)
    expect((await rig.ask('GET', '/containers/zz/json')).status).toBe(404)
  })
})
