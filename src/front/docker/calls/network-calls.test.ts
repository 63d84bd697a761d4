import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DockerApiRig } from '../../../../test/support/docker-api-rig.ts'

let rig: DockerApiRig

beforeEach(async () => {
  rig = await DockerApiRig.start()
})

afterEach(async () => {
  await rig[Symbol.asyncDispose]()
})

describe('a network', () => {
  const web = {
    Name: 'web',
    Driver: 'bridge',
    Attachable: true,
    IPAM: {
      Driver: 'default',
      Options: { o: 'p' },
      Config: [
        {
          Subnet: '10.9.0.0/24',
          IPRange: '10.9.0.128/25',
          Gateway: '10.9.0.1',
          AuxiliaryAddresses: { router: '10.9.0.5' },
        },
      ],
    },
    Options: { 'com.docker.network.bridge.enable_icc': 'false' },
    Labels: { env: 'dev' },
  }

  it('is shown as it was given, also by the next daemon', async () => {
    const made = await rig.create(web)
    expect(made).toMatchObject({ status: 201, body: { Warning: '' } })
    const before = await rig.ask('GET', '/networks/web')
    expect(before.body).toEqual({
      Name: 'web',
      Id: made.body.Id,
      Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: false,
      IPAM: web.IPAM,
      Internal: false,
      Attachable: true,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: {},
      Options: web.Options,
      Labels: web.Labels,
    })
    await rig.restart()
    expect((await rig.ask('GET', '/networks/web')).body).toEqual(before.body)
  })

  it('is found by id, name, and the beginning of one id', async () => {
    const { Id } = (await rig.create({ Name: 'web' })).body
    for (const text of [Id, 'web', Id.slice(0, 12)]) {
      expect((await rig.ask('GET', `/networks/${text}`)).body.Id).toBe(Id)
    }
    // A name that is the beginning of another one's id is a name.
    const short = Id.slice(0, 6)
    await rig.create({ Name: short })
    expect((await rig.ask('GET', `/networks/${short}`)).body.Name).toBe(short)
  })

  it('that several could be meant by is ambiguous', async () => {
    const taken = new Map<string, string>()
    let twice: string | undefined
    for (let count = 0; twice === undefined; count++) {
      const { Id } = (await rig.create({ Name: `n${count}`, Options: {} })).body
      const start = Id[0]
      if (taken.has(start)) twice = start
      taken.set(start, Id)
    }
    const got = await rig.ask('GET', `/networks/${twice}`)
    expect(got.status).toBe(400)
    expect(got.body.message).toMatch(
      new RegExp(`^network ${twice} is ambiguous \\(\\d matches found based on ID prefix\\)$`),
    )
  })

  it.each([
    [{ Name: '' }, 400, 'name is empty'],
    [{ Name: 'a/b' }, 400, 'is not a name'],
    [{ Name: 'bridge' }, 403, 'operation is not permitted on predefined bridge network'],
    [{ Name: 'default' }, 403, 'operation is not permitted on predefined default network'],
    [{ Name: 'web' }, 409, 'network with name web already exists'],
    [{ Name: 'a', Driver: 'nothing' }, 404, 'plugin "nothing" not found'],
    [{ Name: 'a', Driver: 'overlay' }, 403, 'not a swarm manager'],
    [{ Name: 'a', Driver: 'host' }, 403, 'only one instance of "host" network is allowed'],
    [{ Name: 'a', Scope: 'swarm' }, 403, 'swarm is not active'],
    [{ Name: 'a', Ingress: true }, 403, 'Ingress network can only be global scope network'],
    [{ Name: 'a', ConfigOnly: true }, 501, 'configuration-only'],
    [{ Name: 'a', ConfigFrom: { Network: 'b' } }, 501, 'configuration-only'],
    [{ Name: 'a', IPAM: { Driver: 'nope' } }, 404, 'plugin "nope" not found'],
    [{ Name: 'a', Options: { 'com.docker.network.bridge.enable_icc': 'x' } }, 400, '"icc" is "x"'],
    [{ Name: 'a', Options: { foo: 'bar' } }, 400, 'unknown option "foo"'],
    [{ Name: 'a', Labels: { 'libcnm.docker': '{}' } }, 400, 'is reserved'],
    [{ Name: 'a', EnableIPv4: false }, 400, 'neither IPv4 nor IPv6'],
  ])('%j is refused', async (body, status, message) => {
    await rig.create({ Name: 'web', IPAM: { Config: [{ Subnet: '10.9.0.0/24' }] } })
    const got = await rig.create(body)
    expect(got).toMatchObject({ status, body: { message: expect.stringContaining(message) } })
    expect(await rig.cnm.networks()).toHaveLength(4)
  })

  it.each([
    [[{ Subnet: 'bad' }], 'invalid subnet bad: invalid CIDR block notation'],
    [[{ Gateway: '10.9.0.1' }], 'invalid subnet : invalid CIDR block notation'],
    [[{ Subnet: '10.9.1.5/24' }], 'invalid subnet 10.9.1.5/24: it should be 10.9.1.0/24'],
    [
      [{ Subnet: '10.9.0.0/24', Gateway: '10.7.0.1', IPRange: '10.9.0.0/16' }],
      'invalid ip-range 10.9.0.0/16: CIDR block is bigger than its parent subnet 10.9.0.0/24\n' +
        "invalid gateway 10.7.0.1: parent subnet 10.9.0.0/24 doesn't contain this address",
    ],
    [
      [{ Subnet: '10.9.0.0/24', IPRange: 'fd00::/64', AuxiliaryAddresses: { a: 'x' } }],
      'invalid ip-range fd00::/64: parent subnet is an IPv4 block\n' +
        'invalid auxiliary address a x: invalid address',
    ],
  ])('with the subnets %j is refused with all that is wrong', async (Config, problems) => {
    const got = await rig.create({ Name: 'a', IPAM: { Config } })
    expect(got.status).toBe(400)
    expect(got.body.message).toBe(`invalid network config:\n${problems}`)
  })

  it('whose subnet overlaps with another is refused', async () => {
    await rig.create({ Name: 'web', IPAM: { Config: [{ Subnet: '10.9.0.0/24' }] } })
    const got = await rig.create({ Name: 'b', IPAM: { Config: [{ Subnet: '10.9.0.0/25' }] } })
    expect(got.status).toBe(403)
    expect(got.body.message).toContain('Pool overlaps with other one on this address space')
  })

  it('has the families that are asked for', async () => {
    const Config = [{ Subnet: '10.9.0.0/24' }, { Subnet: 'fd00:9::/64' }]
    await rig.create({ Name: 'four', IPAM: { Config } })
    expect((await rig.ask('GET', '/networks/four')).body).toMatchObject({
      EnableIPv6: false,
      IPAM: { Config: [{ Subnet: '10.9.0.0/24' }] },
    })
    await rig.create({ Name: 'six', EnableIPv4: false, EnableIPv6: true })
    expect((await rig.ask('GET', '/networks/six')).body).toMatchObject({
      EnableIPv4: false,
      EnableIPv6: true,
      IPAM: { Config: [{ Subnet: expect.stringMatching(/^fd/) }] },
    })
    const Options = { 'com.docker.network.enable_ipv6': 'true' }
    await rig.create({ Name: 'both', Options })
    expect((await rig.ask('GET', '/networks/both')).body).toMatchObject({
      EnableIPv6: true,
      Options,
    })
    await rig.ask('POST', '/v1.47/networks/create', { Name: 'old', EnableIPv4: false })
    expect((await rig.ask('GET', '/networks/old')).body.EnableIPv4).toBe(true)
  })

  it('that was made in another way is shown with what its driver knows', async () => {
    await rig.cnm.createNetwork({ name: 'own', labels: { a: 'b' }, options: { icc: false } })
    const { body } = await rig.ask('GET', '/networks/own')
    expect(body).toMatchObject({ Labels: { a: 'b' }, Options: { icc: 'false' }, Attachable: false })
  })

  it('is inspected with sense', async () => {
    expect((await rig.ask('GET', '/networks/bridge?verbose=true&scope=local')).status).toBe(200)
    expect((await rig.ask('GET', '/networks/bridge?verbose=maybe')).status).toBe(400)
    expect(await rig.ask('GET', '/networks/bridge?scope=swarm')).toMatchObject({
      status: 404,
      body: { message: 'network bridge not found' },
    })
  })

  it('is deleted, unless it is predefined or in use', async () => {
    await rig.create({ Name: 'web' })
    const box = await rig.cnm.createSandbox({ name: 'c1', connect: [{ network: 'web' }] })
    const inUse = await rig.ask('DELETE', '/networks/web')
    expect(inUse.status).toBe(403)
    expect(inUse.body.message).toContain('network web has active endpoints (name:"c1" id:"')
    await box.delete()
    expect(await rig.ask('DELETE', '/networks/web')).toMatchObject({ status: 204, body: '' })
    expect(await rig.ask('DELETE', '/networks/web')).toMatchObject({
      status: 404,
      body: { message: 'network web not found' },
    })
    expect(await rig.ask('DELETE', '/networks/none')).toMatchObject({
      status: 403,
      body: { message: 'none is a pre-defined network and cannot be removed' },
    })
  })
})

describe('predefined networks', () => {
  it('are there once, whichever call was first', async () => {
    expect(await rig.names({})).toEqual(['bridge', 'host', 'none'])
    await rig.restart()
    expect(await rig.names({})).toEqual(['bridge', 'host', 'none'])
    expect((await rig.ask('GET', '/networks/none')).body).toMatchObject({
      Driver: 'null',
      IPAM: { Driver: 'default', Options: null, Config: [] },
    })
    expect((await rig.ask('GET', '/networks/bridge')).body.Options).toMatchObject({
      'com.docker.network.bridge.default_bridge': 'true',
    })
  })

  it('come back when one was deleted in another way', async () => {
    await rig.cnm.network('bridge').delete()
    await Promise.all([rig.api.ready(), rig.api.ready()])
    expect(await rig.names({})).toEqual(['bridge', 'host', 'none'])
  })
})
