import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DockerApiRig } from '../../../test/support/docker-api-rig.ts'

let rig: DockerApiRig

beforeEach(async () => {
  rig = await DockerApiRig.start()
})

afterEach(async () => {
  await rig[Symbol.asyncDispose]()
})

describe('versions', () => {
  it('are told by _ping, with or without a body', async () => {
    const got = await rig.ask('GET', '/_ping')
    expect(got).toMatchObject({ status: 200, body: 'OK' })
    expect(got.headers).toMatchObject({
      'api-version': '1.48',
      'docker-experimental': 'false',
      ostype: 'linux',
      server: 'libcnm/1.2.3 (linux)',
    })
    const head = await rig.ask('HEAD', '/v1.40/_ping')
    expect(head).toMatchObject({ status: 200, body: '' })
    expect(head.headers['api-version']).toBe('1.48')
  })

  it('that are spoken are a prefix of paths', async () => {
    expect((await rig.ask('GET', '/v1.24/networks')).status).toBe(200)
    expect((await rig.ask('GET', '/v1.48/networks/')).status).toBe(200)
    expect(await rig.ask('GET', '/v1.23/networks')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('client version 1.23 is too old') },
    })
    expect(await rig.ask('GET', '/v1.99/networks')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('client version 1.99 is too new') },
    })
    expect((await rig.ask('GET', '/v2.0/networks')).status).toBe(400)
  })

  it('are in /version and /info', async () => {
    const { body } = await rig.ask('GET', '/version')
    expect(body).toMatchObject({ Version: '1.2.3', ApiVersion: '1.48', MinAPIVersion: '1.24' })
    await rig.cnm.createSandbox({ name: 'a' })
    expect((await rig.ask('GET', '/info')).body).toMatchObject({
      ContainersRunning: 1,
      ServerVersion: '1.2.3',
      Plugins: { Network: ['bridge', 'host', 'null'] },
    })
  })
})

describe('a request', () => {
  it.each([
    ['GET', '/nothing'],
    ['GET', '/vabc/networks'],
    ['PUT', '/networks'],
    ['HEAD', '/networks'],
    ['GET', '/images/json'],
    ['POST', '/v1.24/networks/prune'],
    ['DELETE', '/networks/'],
  ])('%s %s leads nowhere', async (method, path) => {
    const { status, body } = await rig.ask(method, path)
    expect(status).toBe(404)
    if (method !== 'HEAD') expect(body).toEqual({ message: 'page not found' })
  })

  it.each([
    ['{}', 'text/plain', "must be 'application/json'"],
    ['{', 'application/json', 'invalid JSON: '],
    ['{} {}', 'application/json', 'unexpected content after JSON'],
    ['[]', 'application/json', 'must be an object'],
    ['{"Name":5}', 'application/json', 'invalid JSON: Name must be a string'],
    ['{"Name":"a","IPAM":{"Config":[{"Subnet":1}]}}', 'application/json', 'IPAM.Config[0].Subnet'],
    ['{"Name":"a","Labels":{"a":1}}', 'application/json', 'Labels must be an object of strings'],
  ])('with the body %s of %s is refused', async (body, type, message) => {
    const got = await rig.ask('POST', '/networks/create', body, { 'Content-Type': type })
    expect(got.status).toBe(400)
    expect(got.body.message).toContain(message)
    expect(await rig.cnm.networks()).toHaveLength(3)
  })

  it('with an empty body is one with an empty object', async () => {
    const got = await rig.ask('POST', '/networks/create', '', { 'Content-Length': '0' })
    expect(got).toMatchObject({ status: 400, body: { message: expect.stringContaining('name') } })
    const chunked = { 'Transfer-Encoding': 'chunked', 'Content-Type': 'application/json' }
    const eof = await rig.ask('POST', '/networks/create', '', chunked)
    expect(eof.body.message).toBe('invalid JSON: got EOF while reading request body')
  })

  it('of more than a megabyte is not read', async () => {
    const got = await rig.create({ Name: 'a', Labels: { a: 'x'.repeat(1024 * 1024) } })
    expect(got.status).toBe(413)
  })

  it('may spell names of fields in any case, and have more of them', async () => {
    expect((await rig.create({ name: 'a', LABELS: { x: 'y' }, Unknown: [1] })).status).toBe(201)
    expect((await rig.ask('GET', '/networks/a')).body.Labels).toEqual({ x: 'y' })
  })
})

describe('the list', () => {
  beforeEach(async () => {
    await rig.create({ Name: 'web', Labels: { a: 'b', env: 'dev' } })
    await rig.create({ Name: 'web2', Labels: { a: 'c' } })
    await rig.cnm.createSandbox({ name: 'c1', connect: [{ network: 'web2' }] })
  })

  it.each<[object, string[]]>([
    [{ name: ['web'] }, ['web', 'web2']],
    [{ name: ['^web$'] }, ['web']],
    [{ name: ['^w.*2$'] }, ['web2']],
    [{ name: ['[', 'host'] }, ['host']],
    [{ name: { web2: true } }, ['web2']],
    [{ driver: ['null', 'host'] }, ['host', 'none']],
    [{ driver: ['nul'] }, []],
    [{ label: ['a'] }, ['web', 'web2']],
    [{ label: ['a=b'] }, ['web']],
    [{ label: ['a', 'env=dev'] }, ['web']],
    [{ label: ['libcnm.docker'] }, []],
    [{ type: ['builtin'] }, ['bridge', 'host', 'none']],
    [{ type: ['custom'] }, ['web', 'web2']],
    [{ scope: ['swarm'] }, []],
    [{ dangling: ['true'] }, ['web']],
    [{ dangling: ['0'] }, ['bridge', 'host', 'none', 'web2']],
    [{ type: ['custom'], name: ['2'] }, ['web2']],
  ])('with %j', async (filters, expected) => {
    expect(await rig.names(filters)).toEqual(expected)
  })

  it('takes an id or its beginning as a filter', async () => {
    const { Id } = (await rig.ask('GET', '/networks/web')).body
    expect(await rig.names({ id: [Id.slice(0, 20)] })).toEqual(['web'])
  })

  it.each<[unknown, number, string]>([
    [{ bad: ['x'] }, 400, "invalid filter 'bad'"],
    ['{', 400, 'invalid filter'],
    ['[]', 400, 'must be an object'],
    [{ name: 5 }, 400, 'must be a list of strings'],
    [{ name: [5] }, 400, 'must be a list of strings'],
    [{ dangling: ['maybe'] }, 400, "invalid value for filter 'dangling'"],
    [{ dangling: ['1', '0'] }, 400, "invalid value for filter 'dangling'"],
    [{ name: ['(w+)+$'] }, 400, 'may have at most 3 repetitions, and none of a group'],
    [{ name: ['w*w*w*w*x'] }, 400, 'may have at most 3 repetitions'],
    [{ type: ['foo'] }, 500, "invalid filter: 'type'='foo'"],
  ])('refuses the filters %j', async (filters, status, message) => {
    const got = await rig.list(filters)
    expect(got).toMatchObject({ status, body: { message: expect.stringContaining(message) } })
  })

  it('says who is on a network to old clients only', async () => {
    const inOf = async (path: string) => {
      const { body } = await rig.ask('GET', path)
      return Object.keys(body.find(({ Name }: { Name: string }) => Name === 'web2').Containers)
    }
    expect(await inOf('/v1.27/networks')).toEqual([rig.cnm.now.sandbox('c1').id])
    expect(await inOf('/v1.28/networks')).toEqual([])
  })
})
