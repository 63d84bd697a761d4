import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RouteServer } from '../../test/support/route-server.ts'
import type { CnmEvent } from '../api/reports.ts'
import { CnmError } from '../base/errors.ts'
import { connectController } from './client.ts'
import { Connection } from './connection.ts'
import type { RemoteController } from './remote-controller.ts'
import { openEvents } from './remote-stream.ts'

const event = (sequence: number, name = `n${sequence}`): CnmEvent => ({
  sequence,
  time: '2026-01-01T00:00:00.000Z',
  type: 'network',
  action: 'create',
  id: 'a',
  name,
  attributes: {},
})

const lines = (...values: readonly unknown[]) =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('')

/** The head of a stream, and perhaps its beginning. */
function begin(response: ServerResponse, text = ''): void {
  const { instance, sequence } = server.status
  response.writeHead(200, { 'cnm-instance': instance, 'cnm-sequence': sequence })
  response.flushHeaders()
  response.write(text)
}

const never = () => new Promise<never>(() => {})

async function names(stream: AsyncIterable<{ readonly name: string }>, count = Infinity) {
  const seen: string[] = []
  if (count === 0) return seen
  for await (const { name } of stream) {
    seen.push(name)
    if (seen.length === count) break
  }
  return seen
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

const asked = (route: string) => server.asked.filter((each) => each.route === route)
const queriesOf = () => asked('events').map(({ query }) => query)

describe('events', () => {
  it('are those from the moment it resolves, or after the one that is named', async () => {
    server.status = { ...server.status, sequence: 5 }
    server.on('events', ({ response }) => begin(response, lines(event(6))))
    const events = await cnm.events()
    expect(events).toMatchObject({ since: 5, instance: 'first' })
    expect(queriesOf()).toEqual([{}])
    expect(await names(events, 1)).toEqual(['n6'])
    await cnm.events({ since: 3 })
    await cnm.events({ since: 0, instance: 'other' })
    expect(queriesOf().slice(1)).toEqual([{ since: '3' }, { since: '0', instance: 'other' }])
  })

  it('come whole, however they are cut on their way', async () => {
    const bytes = Buffer.from(`\n${lines(event(1, 'ü🐘'), event(2))}`)
    server.on('events', async ({ response }) => {
      begin(response)
      for (const byte of bytes) {
        await new Promise((resolve) => response.write(Buffer.of(byte), resolve))
      }
    })
    expect(await names(await cnm.events(), 2)).toEqual(['ü🐘', 'n2'])
  })

  it('go on after the last one when the connection is lost, in the middle of one too', async () => {
    server.on('events', ({ query, response, socket }) => {
      const since = Number(query.since ?? 0)
      if (since >= 6) return begin(response, lines(event(since + 1)))
      const half = lines(event(since + 3)).slice(0, 20)
      begin(response, lines(event(since + 1), event(since + 2)))
      response.write(half, () => socket.end())
    })
    expect(await names(await cnm.events(), 7)).toEqual(['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'])
    expect(queriesOf().map(({ since }) => since)).toEqual([undefined, '2', '4', '6'])
  })

  it('wait for a daemon that is away for a while', async () => {
    let first = true
    server.on('events', ({ response }) => {
      begin(response, lines(event(first ? 1 : 2)))
      first = false
    })
    const events = (await cnm.events())[Symbol.asyncIterator]()
    expect((await events.next()).value).toEqual(event(1))
    await server.stop()
    const next = events.next()
    await server.listen()
    expect((await next).value).toEqual(event(2))
    await events.return?.()
  })

  it('are lost with the daemon that knew them, and that is said', async () => {
    let lost = false
    server.on('events', ({ response, socket }) => {
      if (lost) throw new CnmError('EVENTS_LOST', 'another instance')
      lost = true
      begin(response, lines(event(1)))
      response.write('', () => socket.end())
    })
    const events = await cnm.events()
    await expect(names(events)).rejects.toMatchObject({ code: 'EVENTS_LOST' })
    await expect(cnm.events({ since: 1 })).rejects.toMatchObject({ code: 'EVENTS_LOST' })
  })

  it('end with an error when the daemon stays away', async () => {
    server.on('events', ({ response }) => begin(response))
    const connection = new Connection(server.path)
    const events = await openEvents(connection, {}, { tries: 3, longestMs: 1 })
    await server.stop()
    await expect(names(events)).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' })
    await connection.close()
  })

  it('end with an error when the daemon ends them again and again', async () => {
    server.on('events', ({ response }) => {
      begin(response)
      response.end()
    })
    const connection = new Connection(server.path)
    const events = await openEvents(connection, {}, { tries: 3, longestMs: 1 })
    await expect(names(events)).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' })
    expect(asked('events').length).toBe(4)
    await connection.close()
  })

  it('of a server that says no place are an error', async () => {
    server.on('events', ({ response }) => {
      response.writeHead(200, { 'cnm-sequence': 'x' })
      response.end()
    })
    await expect(cnm.events()).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  it('that are none are an error', async () => {
    server.on('events', ({ response }) => begin(response, lines({ ...event(1), sequence: 'one' })))
    await expect(names(await cnm.events())).rejects.toMatchObject({
      code: 'INTERNAL',
      message: "the daemon's answer to GET /v1/events: sequence must be integer",
    })
  })
})

describe.each(['events', 'queries'] as const)('a stream of %s', (what) => {
  /** Resolves when the daemon sees that its reader has gone. */
  let gone: Promise<unknown>

  beforeEach(() => {
    gone = new Promise((resolve) => {
      server.on(what, ({ response }) => {
        response.on('close', resolve)
        begin(response)
        return never()
      })
    })
  })

  it('ends on abort', async () => {
    const abort = new AbortController()
    const stream = await cnm[what]({ signal: abort.signal })
    const read = names(stream)
    abort.abort()
    expect(await read).toEqual([])
    await gone
  })

  it('is over before it begins if the signal has fired', async () => {
    expect(await names(await cnm[what]({ signal: AbortSignal.abort() }))).toEqual([])
    expect(asked(what)).toEqual([])
  })

  it('ends when the client is closed, and none begins afterwards', async () => {
    const stream = await cnm[what]()
    const read = names(stream)
    await cnm.close()
    expect(await read).toEqual([])
    await gone
    await expect(cnm[what]()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('ends when it is disposed of, read or not', async () => {
    const stream = await cnm[what]()
    await stream[Symbol.asyncDispose]()
    expect(await names(stream)).toEqual([])
    await gone
  })

  it('takes no connection from calls', async () => {
    await Promise.all(Array.from({ length: 20 }, () => cnm[what]()))
    expect((await cnm.status()).pid).toBe(1)
  })
})

describe('queries', () => {
  const query = {
    time: '2026-01-01T00:00:00.000Z',
    sandbox: 'b',
    sandboxName: 'box',
    name: 'db.',
    type: 'A',
    source: 'internal',
    code: 'NOERROR',
    durationMs: 0.1,
    transport: 'udp',
    skipped: 0,
  }

  it('are lost with the connection, and that is said', async () => {
    server.on('queries', ({ response, socket }) => {
      begin(response, lines(query))
      socket.once('data', () => socket.end())
    })
    const queries = (await cnm.queries())[Symbol.asyncIterator]()
    expect((await queries.next()).value).toEqual(query)
    const [{ socket }] = asked('queries') as [(typeof server.asked)[number]]
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
    await expect(queries.next()).rejects.toMatchObject({
      code: 'DAEMON_UNREACHABLE',
      message: `the daemon at ${server.path} ended GET /v1/queries`,
    })
  })
})
