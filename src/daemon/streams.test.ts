import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { EventShape, QueryShape } from '../api/reports.ts'
import { EventStreams } from '../base/event-streams.ts'
import { parser } from '../base/parse.ts'
import type { QueryEvent } from '../kernel/kernel.ts'
import { createController } from '../model/controller.ts'

const parseEvent = parser(EventShape, 'event')
const parseQuery = parser(QueryShape, 'query')

async function lines(response: IncomingMessage, count: number) {
  const events: ReturnType<typeof parseEvent>[] = []
  for await (const line of createInterface({ input: response })) {
    events.push(parseEvent(JSON.parse(line)))
    if (events.length === count) break
  }
  response.destroy()
  return events
}

const numbers = (events: readonly { readonly sequence: number }[]) =>
  events.map(({ sequence }) => sequence)

/** Makes events: two for each. */
async function churn(rig: DaemonRig, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const network = await rig.controller.createNetwork({ name: `n${index}` })
    await network.delete()
  }
}

describe('events', () => {
  it('come from the head of the answer on, in order', async () => {
    await using rig = await DaemonRig.start()
    await churn(rig, 1)
    const response = await rig.open('GET /v1/events')
    expect(response.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'cnm-instance': rig.controller.instance,
      'cnm-sequence': '2',
    })
    await churn(rig, 2)
    const events = await lines(response, 4)
    expect(numbers(events)).toEqual([3, 4, 5, 6])
    expect(events[0]).toMatchObject({ type: 'network', action: 'create', name: 'n0' })
  })

  it('go on after a broken connection, none lost or doubled', async () => {
    await using rig = await DaemonRig.start()
    const first = await rig.open('GET /v1/events')
    await churn(rig, 2)
    const seen = numbers(await lines(first, 3))
    await churn(rig, 3)
    const { instance } = rig.controller
    const again = await rig.open(`GET /v1/events?since=${seen.at(-1)}&instance=${instance}`)
    expect([...seen, ...numbers(await lines(again, 7))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it.each([
    ['since=0', 'those before number'],
    ['since=999999', 'started anew'],
    ['since=30&instance=other', 'started anew'],
  ])('%s: are known to be lost before anything else is said', async (query, why) => {
    await using rig = await rigKeeping(10)
    await churn(rig, 20)
    const { status, body } = await rig.ask(`GET /v1/events?${query}`)
    expect(status).toBe(503)
    expect(body).toMatchObject({ code: 'EVENTS_LOST', message: expect.stringContaining(why) })
  })

  it('end for a reader that takes nothing, and hold nothing up', async () => {
    await using rig = await rigKeeping(100_000, { stallMs: 200 })
    await churn(rig, 2000)
    const socket = createConnection(rig.socket)
    socket.write('GET /v1/events?since=0 HTTP/1.1\r\n\r\n')
    await once(socket, 'readable')
    await expect
      .poll(() => rig.logged.map(({ message }) => message))
      .toContainEqual('events: the stream was ended')
    // It hasn't read, so it learns it behind what had been sent.
    const received = await all(socket)
    expect(received).not.toContain('"sequence":4000,')
  }, 60_000)

  it('end when the daemon is stopped', async () => {
    await using rig = await DaemonRig.start()
    const response = await rig.open('GET /v1/events')
    await churn(rig, 1)
    await rig.daemon.close()
    expect(numbers(await lines(response, Number.POSITIVE_INFINITY))).toEqual([1, 2])
  })
})

it('queries come from the head of the answer on, with the name of who asked', async () => {
  const memory = new MemoryRig()
  const asked = new EventStreams<QueryEvent>()
  const { kernel, ...parts } = memory.parts()
  const queries = (signal?: AbortSignal) => asked.open(signal)
  const controller = await createController({ ...parts, kernel: { ...kernel, queries } })
  await using rig = await DaemonRig.start({ controller }, memory)
  const box = await controller.createSandbox({ name: 'box' })
  asked.publish([query(box.id, 'before.')])
  const response = await rig.open('GET /v1/queries')
  expect(response.headers['content-type']).toBe('application/x-ndjson')
  asked.publish([query(box.id, 'web.'), query('f'.repeat(64), 'db.')])
  const told = createInterface({ input: response })[Symbol.asyncIterator]()
  const next = async () => parseQuery(JSON.parse((await told.next()).value))
  expect(await next()).toEqual({ ...query(box.id, 'web.'), sandboxName: 'box' })
  expect(await next()).toMatchObject({ name: 'db.', sandboxName: 'ffffffffffff' })
  await rig.daemon.close()
  expect(await told.next()).toMatchObject({ done: true })
})

function query(sandbox: string, name: string): QueryEvent {
  const time = '2026-01-01T00:00:00.000Z'
  const answer = { source: 'local', code: 'NOERROR', durationMs: 0.5 } as const
  return { time, sandbox, name, type: 'A', ...answer, transport: 'udp', skipped: 0 }
}

async function all(socket: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  try {
    for await (const chunk of socket) text += chunk
  } catch {
    // It was cut off.
  }
  return text
}

async function rigKeeping(eventsKept: number, options: { readonly stallMs?: number } = {}) {
  const memory = new MemoryRig()
  const controller = await createController({ ...memory.parts(), eventsKept })
  return DaemonRig.start({ controller, ...options }, memory)
}
