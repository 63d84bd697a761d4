import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CnmError } from '../base/errors.ts'
import { type PluginHandlers, type PluginServer, servePlugin } from './server.ts'

let folder: string
let server: PluginServer
const asked: unknown[] = []

const handlers: PluginHandlers = {
  IpamDriver: {
    GetDefaultAddressSpaces: () => ({ LocalDefaultAddressSpace: 'here' }),
    RequestPool: (request) => {
      asked.push(request)
      return { PoolID: 'p1', Pool: '10.0.0.0/24' }
    },
    ReleasePool: () => {
      throw new CnmError('ADDRESS_IN_USE', 'pool "p1" is in use', { hint: 'release its addresses' })
    },
    RequestAddress: () => {
      throw new CnmError('NETWORK_NOT_FOUND', 'there is no pool "p1"')
    },
    ReleaseAddress: () => 'nothing that is sent',
  },
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plugin-'))
  server = await servePlugin({ path: join(folder, 's.sock'), handlers })
  asked.length = 0
})

afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

function ask(
  path: string,
  body: string,
): Promise<{ status?: number; type?: string; json: unknown }> {
  return new Promise((resolve, reject) => {
    const socketPath = join(folder, 's.sock')
    const sent = request({ socketPath, path, method: 'POST', agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('end', () => {
        const { statusCode: status, headers } = response
        resolve({ status, type: headers['content-type'], json: JSON.parse(text) } as never)
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

it('says which interfaces it has', async () => {
  expect(await ask('/Plugin.Activate', '')).toEqual({
    status: 200,
    type: 'application/vnd.docker.plugins.v1.1+json',
    json: { Implements: ['IpamDriver'] },
  })
})

it('hands over what was sent, without what is null', async () => {
  const body = JSON.stringify({ AddressSpace: 'here', Pool: '', Options: null, More: [1] })
  const { json } = await ask('/IpamDriver.RequestPool', body)
  expect(json).toEqual({ PoolID: 'p1', Pool: '10.0.0.0/24' })
  expect(asked).toEqual([{ AddressSpace: 'here', Pool: '', More: [1] }])
})

it('takes an empty body where there is nothing to say', async () => {
  const { json } = await ask('/IpamDriver.GetDefaultAddressSpaces', '')
  expect(json).toEqual({ LocalDefaultAddressSpace: 'here' })
})

it('answers a call without an answer with an empty object', async () => {
  const body = JSON.stringify({ PoolID: 'p1', Address: '10.0.0.1' })
  expect(await ask('/IpamDriver.ReleaseAddress', body)).toMatchObject({ status: 200, json: {} })
})

it.each([
  [
    'an empty body',
    '/IpamDriver.RequestPool',
    '',
    400,
    'the body of /IpamDriver.RequestPool is empty',
  ],
  [
    'no JSON',
    '/IpamDriver.RequestPool',
    '{',
    400,
    'the body of /IpamDriver.RequestPool is no JSON',
  ],
  [
    'another type',
    '/IpamDriver.RequestPool',
    '{"Pool":7}',
    400,
    '/IpamDriver.RequestPool: Pool must be string',
  ],
  [
    'a conflict',
    '/IpamDriver.ReleasePool',
    '{"PoolID":"p1"}',
    409,
    'pool "p1" is in use (release its addresses)',
  ],
  ['what is gone', '/IpamDriver.RequestAddress', '{"PoolID":"p1"}', 400, 'there is no pool "p1"'],
  [
    'a method it lacks',
    '/IpamDriver.GetCapabilities',
    '',
    404,
    'this plugin has no /IpamDriver.GetCapabilities',
  ],
  [
    'an interface it lacks',
    '/NetworkDriver.Join',
    '{}',
    404,
    'this plugin has no /NetworkDriver.Join',
  ],
  [
    'what no method is',
    '/IpamDriver.constructor',
    '',
    404,
    'this plugin has no /IpamDriver.constructor',
  ],
])('refuses %s', async (_, path, body, status, Err) => {
  expect(await ask(path, body)).toMatchObject({ status, json: { Err } })
})

it('refuses what is nested too deeply', async () => {
  const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`
  const { status, json } = await ask('/IpamDriver.RequestPool', deep)
  expect({ status, json }).toEqual({
    status: 400,
    json: { Err: '/IpamDriver.RequestPool: is nested too deeply' },
  })
})
