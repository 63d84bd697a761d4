import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { type AskOptions, DaemonRig } from '../../test/support/daemon-rig.ts'
import { problemStatus } from '../api/problem.ts'
import { CnmError, type ErrorCode, errorCodes } from '../base/errors.ts'
import type { LocalController } from '../model/controller.ts'
import { bodyLimit } from './refusal.ts'

const cases: readonly (readonly [string, AskOptions, number, ErrorCode, string])[] = [
  ['GET /', {}, 404, 'ROUTE_NOT_FOUND', 'there is nothing to GET at /'],
  ['GET /v1/nope?x=1', {}, 404, 'ROUTE_NOT_FOUND', 'there is nothing to GET at /v1/nope'],
  ['PUT /v1/networks', {}, 404, 'ROUTE_NOT_FOUND', 'there is nothing to PUT at /v1/networks'],
  ['HEAD /v1/networks', {}, 404, 'ROUTE_NOT_FOUND', ''],
  ['GET /v1/networks/%zz', {}, 400, 'INVALID_ARGUMENT', "can't be understood"],
  ['GET /v1/networks/nope', {}, 404, 'NETWORK_NOT_FOUND', 'there is no network "nope"'],
  ['GET /v1/networks?all=1', {}, 400, 'INVALID_ARGUMENT', 'query: unknown key "all"'],
  ['GET /v1/events?since=x', {}, 400, 'INVALID_ARGUMENT', 'query: since must be integer'],
  ['GET /v1/events?since=-1', {}, 400, 'INVALID_ARGUMENT', 'query: since must be'],
  [
    'DELETE /v1/networks/a?force=maybe',
    {},
    400,
    'INVALID_ARGUMENT',
    'query: force must be boolean',
  ],
  ['DELETE /v1/networks/a?force=1&force=0', {}, 400, 'INVALID_ARGUMENT', '"force" is given more'],
  ['POST /v1/networks', {}, 400, 'INVALID_ARGUMENT', 'network options: must have required'],
  ['POST /v1/networks', { body: '{"name":' }, 400, 'INVALID_ARGUMENT', 'the body is no JSON'],
  ['POST /v1/networks', { body: '[]' }, 400, 'INVALID_ARGUMENT', 'network options: must have'],
  [
    'POST /v1/networks',
    { body: '"x"' },
    400,
    'INVALID_ARGUMENT',
    'network options: must be object',
  ],
  ['POST /v1/networks', { body: { name: '-' } }, 400, 'INVALID_NAME', '"-" is not a name'],
  ['POST /v1/networks', { body: { name: 'a', x: 1 } }, 400, 'INVALID_ARGUMENT', 'unknown key "x"'],
  ['POST /v1/networks', { body: { name: 'a', signal: {} } }, 400, 'INVALID_ARGUMENT', '"signal"'],
  [
    'POST /v1/networks',
    { body: '{"__proto__":{}}' },
    400,
    'INVALID_ARGUMENT',
    'the body is no JSON',
  ],
  ['POST /v1/networks', { body: { name: 'a', driver: 'x' } }, 404, 'UNKNOWN_DRIVER', '"x"'],
  ['POST /v1/networks', { body: { name: 'none' } }, 409, 'NETWORK_EXISTS', '"none" exists already'],
  ['DELETE /v1/networks/none', {}, 403, 'NOT_ALLOWED', '"none" is always there'],
  ['POST /v1/networks/prune', { body: { x: 1 } }, 400, 'INVALID_ARGUMENT', 'unknown key "x"'],
  ['POST /v1/sandboxes/x/exec', { body: { argv: ['id'] } }, 404, 'SANDBOX_NOT_FOUND', '"x"'],
  ['POST /v1/sandboxes/x/exec', { body: { argv: [] } }, 400, 'INVALID_ARGUMENT', 'argv must not'],
  [
    'POST /v1/networks',
    { body: 'name=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    400,
    'INVALID_ARGUMENT',
    'of a type that is not understood',
  ],
  [
    'POST /v1/networks',
    { body: { name: 'a', labels: { a: 'x'.repeat(bodyLimit) } } },
    413,
    'INVALID_ARGUMENT',
    `the body is larger than ${bodyLimit} bytes`,
  ],
]

describe('what makes no sense is refused', () => {
  it.each(cases)('%s %j', async (question, options, status, code, message) => {
    await using rig = await DaemonRig.start()
    const answer = await rig.ask(question, options)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    if (question.startsWith('HEAD')) return
    expect(answer.body).toMatchObject({ code, kind: errorCodes[code], details: {} })
    expect((answer.body as CnmError).message).toContain(message)
    // And the daemon goes on.
    expect((await rig.ask('GET /v1/status')).status).toBe(200)
  })

  it('also what is too large and doesn’t say so', async () => {
    await using rig = await DaemonRig.start()
    const body = JSON.stringify({ name: 'x'.repeat(2 * bodyLimit) })
    const headers = { 'transfer-encoding': 'chunked' }
    const answer = await rig.ask('POST /v1/networks', { body, headers }).catch(() => undefined)
    // The connection may be cut while the rest is still being sent.
    if (answer !== undefined) expect(answer.status).toBe(413)
    expect((await rig.ask('GET /v1/networks')).body).toHaveLength(2)
  })

  it('also what is no HTTP at all', async () => {
    await using rig = await DaemonRig.start()
    const socket = createConnection(rig.socket)
    socket.write('hello\r\n\r\n')
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})

describe('every error', () => {
  it.each(Object.keys(errorCodes) as ErrorCode[])('%s is told whole', async (code) => {
    const error = new CnmError(code, 'said so', { details: { a: [1] }, hint: 'do that' })
    await using rig = await DaemonRig.start({ controller: failing(error) })
    const answer = await rig.ask('POST /v1/networks', { body: { name: 'web' } })
    expect(answer.status).toBe(problemStatus(error.kind))
    expect(answer.body).toEqual({
      code,
      kind: error.kind,
      message: 'said so',
      details: { a: [1] },
      hint: 'do that',
    })
  })

  it('that was not expected is an INTERNAL, and logged with its stack', async () => {
    const error = new TypeError('x is not a function')
    await using rig = await DaemonRig.start({ controller: failing(error) })
    const answer = await rig.ask('POST /v1/networks', { body: { name: 'web' } })
    expect(answer).toMatchObject({
      status: 500,
      body: { code: 'INTERNAL', message: error.message },
    })
    expect(rig.logged).toMatchObject([
      { level: 'error', message: 'create network', facts: { err: error } },
    ])
  })
})

function failing(error: unknown): LocalController {
  const controller = {
    createNetwork: async () => {
      throw error
    },
    sandboxes: () => [],
    close: async () => {},
  }
  return controller as unknown as LocalController
}
