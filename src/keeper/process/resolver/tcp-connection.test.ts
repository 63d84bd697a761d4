import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { finished } from 'node:stream/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Answer, TcpConnection } from './tcp-connection.ts'
import { Turns } from './turns.ts'

let server: Server
let clients: Socket[]
let answer: Answer
let nextTurns: Turns

beforeEach(async () => {
  clients = []
  answer = (query) => query
  nextTurns = new Turns()
  server = createServer({ allowHalfOpen: true }, (socket) => {
    new TcpConnection(
      socket,
      (query) => answer(query),
      nextTurns,
      () => {},
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  for (const client of clients) client.destroy()
  await new Promise((resolve) => server.close(resolve))
})

async function open(): Promise<Socket> {
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  clients.push(client)
  await once(client, 'connect')
  return client
}

function framed(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.map((text) => Buffer.concat([Buffer.of(0, text.length), Buffer.from(text)])),
  )
}

/** All that comes until the other end is done. */
async function all(client: Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of client) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

const many = Array.from({ length: 1000 }, (_, i) => `query ${i}`)

it('answers all that was asked before the other end was closed, in whatever pieces it comes', async () => {
  const bytes = framed(...many)
  const client = await open()
  client.setNoDelay(true)
  for (const [from, to] of [
    [0, 1],
    [1, 3],
    [3, 5000],
    [5000, bytes.length],
  ])
    await new Promise((resolve) => client.write(bytes.subarray(from, to), resolve))
  client.end()
  expect((await all(client)).equals(bytes)).toBe(true)
})

it('does a little at a time for one who asks much, so that others have their turn', async () => {
  const greedy = await open()
  nextTurns = new Turns()
  const modest = await open()
  let answered = 0
  let before: number | undefined
  answer = (query) => {
    if (query.toString() === 'modest') before = answered
    else if (answered++ === 0) modest.end(framed('modest'))
    return query
  }
  greedy.end(framed(...many))
  greedy.resume()
  expect((await all(modest)).equals(framed('modest'))).toBe(true)
  expect(before).toBeGreaterThan(0)
  expect(before).toBeLessThan(many.length)
  await finished(greedy, { writable: false })
  expect(answered).toBe(many.length)
})

it('shares the turns of a sandbox among its connections', async () => {
  const [first, second] = [await open(), await open()]
  const order: string[] = []
  answer = (query) => {
    order.push(query.toString().slice(0, 1))
    if (order.length === 1) second.end(framed(...many.map((text) => `2 ${text}`)))
    return query
  }
  first.end(framed(...many.map((text) => `1 ${text}`)))
  await Promise.all([all(first), all(second)])
  expect(order).toHaveLength(2 * many.length)
  expect(order.indexOf('2')).toBeLessThan(many.length)
  expect(order.lastIndexOf('1')).toBeGreaterThan(many.length)
})

it('reads no further than answers are read', async () => {
  let answered = 0
  answer = (query) => {
    if (query.toString() === 'probe') return query
    answered += 1
    return Buffer.alloc(60_000)
  }
  const client = await open()
  client.pause()
  client.write(framed(...many))
  nextTurns = new Turns()
  const other = await open()
  let before = -1
  // Until nothing has happened any more while another client was answered many times.
  for (let still = 0; still < 50; still = before === answered ? still + 1 : 0) {
    before = answered
    other.write(framed('probe'))
    await once(other, 'data')
  }
  expect(answered).toBeGreaterThan(0)
  expect(answered).toBeLessThan(many.length)
  client.end()
  expect((await all(client)).length).toBe(many.length * 60_002)
})

it('is closed where a query is longer than any can be', async () => {
  const client = await open()
  client.write(Buffer.of(0xff, 0xff, 1, 2, 3))
  expect(await all(client)).toHaveLength(0)
})
