import { once } from 'node:events'
import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { Asker } from '../support/asker.ts'
import { dig } from '../support/dig.ts'
import { readMessage, writeQuery } from '../support/dns-packets.ts'
import { addressOf } from '../support/engine-rig.ts'
import { keeperOf } from '../support/keeper-process.ts'
import { NamesWorld, namespaceOf } from '../support/names-world.ts'
import { connectIn, eventually } from '../support/sockets.ts'

const NO_SUCH_NAME = 3
const RESOLVER = '127.0.0.11'
/** So many connections one sandbox may have. */
const MOST_CONNECTIONS = 64

function framed(query: Buffer): Buffer {
  return Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query])
}

/** What is answered over a connection that is open already. */
async function askOver(socket: Socket, name: string): Promise<readonly string[] | number> {
  socket.write(framed(writeQuery(7, name, 'A')))
  let bytes = Buffer.alloc(0)
  while (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE()) {
    const [more] = await once(socket, 'data')
    bytes = Buffer.concat([bytes, more])
  }
  const { code, addresses } = readMessage(bytes.subarray(2))
  return code === 0 ? addresses : code
}

it('over TCP, too, names are there before connect returns and gone before leave returns', async () => {
  await using world = await NamesWorld.start()
  const web = await world.cnm.createNetwork({ name: 'web', internal: true })
  const path = await namespaceOf(await world.box('asker', 'web'))
  await using asker = await Asker.open(path)
  const tcp = await connectIn(path, RESOLVER, 53)
  const again = asker.again('asker', [await addressOf(world.cnm.sandbox('asker'))])
  const box = await world.cnm.createSandbox({ name: 'coming' })
  for (let round = 0; round < 40; round += 1) {
    const endpoint = await box.connect(web)
    const there = [askOver(tcp, 'coming'), asker.addresses('coming')]
    expect(await Promise.all(there)).toEqual([
      [(await endpoint.inspect()).ipv4],
      [(await endpoint.inspect()).ipv4],
    ])
    await endpoint.leave()
    const gone = [askOver(tcp, 'coming'), asker.addresses('coming')]
    expect(await Promise.all(gone)).toEqual([NO_SUCH_NAME, NO_SUCH_NAME])
  }
  await again.stop()
  expect(again.wrong).toEqual([])
  tcp.destroy()
  expect(world.rig.problems).toEqual([])
})

it('a sandbox that asks for more than it may is refused, and others are not', async () => {
  await using world = await NamesWorld.start()
  const { cnm, upstream } = world
  await cnm.createNetwork({ name: 'web' })
  const [greedy, modest] = [await world.box('greedy', 'web'), await world.box('modest', 'web')]
  upstream.names['known.test'] = ['192.0.2.1']
  await using asking = await Asker.open(await namespaceOf(modest))
  expect(await asking.addresses('known.test')).toEqual(['192.0.2.1'])
  // From now on nobody outside says a word: whatever is asked waits.
  upstream.mood = 'silent'
  await using flooding = await Asker.open(await namespaceOf(greedy))
  const refused = async () => (await greedy.inspect()).names?.counters?.answered.refused ?? 0
  let number = 0
  const flood = () => {
    for (const end = number + 500; number < end; number += 1)
      flooding.send(writeQuery(number % 0x10000, `n${number}.example.test`, 'A'))
  }
  await eventually(async () => {
    flood()
    expect(await asking.addresses('known.test')).toEqual(['192.0.2.1'])
    expect(await asking.addresses('greedy')).toEqual([await addressOf(greedy)])
    return (await refused()) > 1000
  })
  await eventually(async () => {
    flood()
    const { status, errors } = await dig(greedy, `more${number}.example.test`)
    return status === 'REFUSED' && errors.join().includes('too many queries')
  })
  expect(await flooding.addresses('modest')).toEqual([await addressOf(modest)])
  // The others' share is untouched.
  expect((await modest.inspect()).names?.counters?.answered.refused ?? 0).toBe(0)
  expect(world.rig.problems).toEqual([])
})

it('a sandbox with more connections than it may have is cut off, and others are not', async () => {
  await using world = await NamesWorld.start()
  await world.cnm.createNetwork({ name: 'web' })
  const [greedy, modest] = [await world.box('greedy', 'web'), await world.box('modest', 'web')]
  const path = await namespaceOf(greedy)
  const open: Socket[] = []
  const isClosed = (socket: Socket) => socket.destroyed || socket.readableEnded
  for (let i = 0; i < MOST_CONNECTIONS; i += 1) {
    const socket = await connectIn(path, RESOLVER, 53)
    // It promises a query that never comes.
    socket.on('data', () => {}).write(Buffer.of(0))
    open.push(socket)
  }
  const further = await connectIn(path, RESOLVER, 53)
  further.on('data', () => {})
  await eventually(() => isClosed(further))
  expect(open.some(isClosed)).toBe(false)
  const keeper = await keeperOf(world.rig)
  expect((await dig(modest, '+tcp', 'greedy')).answer).toEqual([`A ${await addressOf(greedy)}`])
  // As soon as one of them is closed there is room for another one.
  open[0]!.destroy()
  await eventually(async () => (await dig(greedy, '+tcp', 'modest')).answer.length === 1)
  for (const socket of open) socket.destroy()
  expect(await keeperOf(world.rig)).toBe(keeper)
  expect(world.rig.problems).toEqual([])
})
