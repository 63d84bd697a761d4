import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RouteServer } from '../../test/support/route-server.ts'
import { CnmError, type ErrorCode, errorCodes } from '../base/errors.ts'
import { connectController } from './client.ts'
import type { RemoteController } from './remote-controller.ts'

const network = {
  id: 'a'.repeat(64),
  name: 'web',
  driver: 'bridge',
  ipam: 'local',
  created: '2026-01-01T00:00:00.000Z',
  internal: false,
  ephemeral: false,
  labels: {},
  options: {},
}

let server: RouteServer
let cnm: RemoteController

beforeEach(async () => {
  server = await RouteServer.start()
  cnm = await connectController({ socket: server.path })
})

afterEach(async () => {
  await cnm.close()
  await server[Symbol.asyncDispose]()
})

describe('a call', () => {
  it('sends names, query and body where the route has them, and no signal', async () => {
    server.on('createNetwork', () => network).on('inspectNetwork', () => network)
    const { signal } = new AbortController()
    const made = await cnm.ensureNetwork({ name: 'web', internal: false, signal })
    expect(server.asked.at(-1)).toMatchObject({ query: { ensure: 'true' } })
    expect(server.asked.at(-1)?.body).toEqual({ name: 'web', internal: false })
    expect([made.id, made.name, made.info]).toEqual([network.id, 'web', network])
    await cnm.network('a/../ü ?%2f#').inspect()
    expect(server.asked.at(-1)?.parameters).toEqual({ network: 'a/../ü ?%2f#' })
    await made.delete({ force: true })
    expect(server.asked.at(-1)).toMatchObject({
      route: 'deleteNetwork',
      parameters: { network: network.id },
      query: { force: 'true' },
    })
  })

  it('names a namespace from where this program is', async () => {
    server.on('createSandbox', () => {
      throw new CnmError('NAMESPACE_NOT_FOUND', 'there is none')
    })
    const code = 'NAMESPACE_NOT_FOUND'
    await expect(cnm.createSandbox({ netns: 'ns/blue' })).rejects.toMatchObject({ code })
    expect(server.asked.at(-1)?.body).toEqual({ netns: join(process.cwd(), 'ns/blue') })
    await expect(cnm.createSandbox({ netns: '/proc/self/ns/net' })).rejects.toMatchObject({ code })
    expect(server.asked.at(-1)?.body).toEqual({ netns: `/proc/${process.pid}/ns/net` })
  })

  it('sends what is no data as what the daemon can refuse', async () => {
    server.on('createNetwork', ({ body }) => {
      throw new CnmError('INVALID_ARGUMENT', `network options: ${JSON.stringify(body)}`)
    })
    await expect(cnm.createNetwork(undefined as never)).rejects.toThrow('network options: null')
    const circle: Record<string, unknown> = { name: 'web' }
    circle.circle = circle
    await expect(cnm.createNetwork(circle as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('has a path for no name that is none', async () => {
    const before = server.asked.length
    await expect(cnm.network('').inspect()).rejects.toMatchObject({
      code: 'NETWORK_NOT_FOUND',
      message: 'there is no network ""',
      details: { network: '' },
    })
    await expect(cnm.sandbox('\ud800').inspect()).rejects.toMatchObject({
      code: 'SANDBOX_NOT_FOUND',
    })
    await expect(cnm.endpoint(undefined as never).delete()).rejects.toMatchObject({
      code: 'ENDPOINT_NOT_FOUND',
    })
    await expect(cnm.endpoints({ network: cnm as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(server.asked.length).toBe(before)
  })

  it('refuses an answer that is not what the route says, with the path in it', async () => {
    server.on('listNetworks', () => [network, { ...network, internal: 'no' }])
    await expect(cnm.networks()).rejects.toMatchObject({
      code: 'INTERNAL',
      message: "the daemon's answer to GET /v1/networks: 1.internal must be boolean",
      details: { path: '1.internal' },
    })
    server.on('listNetworks', ({ response }) => response.end('[{'))
    await expect(cnm.networks()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: `what answers at ${server.path} is no cnm daemon: status 200, [{`,
    })
  })

  it.each(Object.keys(errorCodes) as ErrorCode[])('throws %s as it was thrown', async (code) => {
    const error = new CnmError(code, `"wéb" is amiss`, { details: { a: [1] }, hint: 'mend it' })
    server.on('down', () => {
      throw error
    })
    const thrown = await cnm.down().catch((each: unknown) => each)
    expect(thrown).toBeInstanceOf(CnmError)
    expect((thrown as CnmError).toJSON()).toEqual(error.toJSON())
  })
})

describe('a signal', () => {
  it('ends the call and its connection', async () => {
    const abort = new AbortController()
    const gone = new Promise<void>((resolve) => {
      server.on('down', ({ socket }) => {
        socket.on('close', () => resolve())
        abort.abort('enough')
        return new Promise(() => {})
      })
    })
    await expect(cnm.down({ signal: abort.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
      cause: 'enough',
    })
    await gone
  })

  it('that has fired lets nothing begin', async () => {
    const before = server.asked.length
    const signal = AbortSignal.abort()
    await expect(cnm.down({ signal })).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect(connectController({ socket: server.path, signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    expect(server.asked.length).toBe(before)
  })

  it('leaves no listener behind', async () => {
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')
    const added = vi.spyOn(signal, 'addEventListener')
    server.on('down', () => undefined)
    await cnm.down({ signal })
    expect(added).toHaveBeenCalledOnce()
    await vi.waitFor(() => expect(removed.mock.calls).toEqual([['abort', added.mock.calls[0]![1]]]))
  })
})

describe('what is no socket', () => {
  it.each([
    ['tcp://127.0.0.1:1', 'socket is "tcp://127.0.0.1:1", which is no unix socket'],
    ['', 'socket is "", which is no unix socket'],
    [`/${'x'.repeat(107)}`, 'which is too long for a socket'],
  ])('is refused: %j', async (socket, message) => {
    await expect(connectController({ socket })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    })
  })
})

describe('the socket of another program', () => {
  it.each([
    ['a page', 404, '<html>\n', 'status 404, <html>'],
    ['an API', 404, '{"message":"page not found"}', 'status 404, {"message":"page not found"}'],
    ['a page, happily', 200, '<html>', 'status 200, <html>'],
    ['nothing', 500, '', 'status 500, no text'],
    ['much', 502, 'x'.repeat(1000), `status 502, ${'x'.repeat(200)} …`],
  ])('is called so: it answers with %s', async (_, status, text, said) => {
    server.on('status', ({ response }) => {
      response.writeHead(status).end(text)
    })
    await expect(connectController({ socket: server.path })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: `what answers at ${server.path} is no cnm daemon: ${said}`,
      details: { socket: server.path, status },
      hint: expect.stringContaining('CNM_HOST'),
    })
  })

  it('that says nothing may be asked again', async () => {
    server.on('status', ({ socket }) => {
      socket.destroy()
    })
    await expect(connectController({ socket: server.path })).rejects.toMatchObject({
      code: 'DAEMON_UNREACHABLE',
      hint: 'ask again; if that ends likewise, see whether the socket is that of a cnm daemon',
    })
  })
})

describe('the default socket', () => {
  afterEach(() => vi.unstubAllEnvs())

  it.each([
    ['unix:///somewhere/a.sock', '/somewhere/a.sock'],
    ['/somewhere/b.sock', '/somewhere/b.sock'],
    ['', '/run/cnm/cnm.sock'],
  ])('is where CNM_HOST=%s says', async (host, path) => {
    const { socketPath } = await import('./socket-path.ts')
    vi.stubEnv('CNM_HOST', host)
    expect(socketPath()).toBe(path)
  })
})
