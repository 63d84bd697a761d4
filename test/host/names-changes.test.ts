import { randomBytes, randomInt } from 'node:crypto'
import { expect, it } from 'vitest'
import { Asker } from '../support/asker.ts'
import { dig } from '../support/dig.ts'
import { writeQuery } from '../support/dns-packets.ts'
import { addressOf } from '../support/engine-rig.ts'
import { NamesWorld, namespaceOf } from '../support/names-world.ts'
import { connectIn, eventually } from '../support/sockets.ts'

const NO_SUCH_NAME = 3

it('a name is there before connect returns, and gone before leave and delete return', async () => {
  await using world = await NamesWorld.start()
  const { cnm } = world
  // An internal network: what is not known here is asked of nobody, so there is nothing to wait for.
  const web = await cnm.createNetwork({ name: 'web', internal: true })
  await using asker = await Asker.open(await namespaceOf(await world.box('asker', 'web')))
  const box = await cnm.createSandbox({ name: 'coming' })
  for (let round = 0; round < 25; round += 1) {
    const endpoint = await box.connect(web, { aliases: [`alias${round % 2}`] })
    const { ipv4 } = await endpoint.inspect()
    expect(await asker.addresses('coming')).toEqual([ipv4])
    expect(await asker.addresses(`alias${round % 2}`)).toEqual([ipv4])
    expect(await asker.addresses(`alias${(round + 1) % 2}`)).toBe(NO_SUCH_NAME)
    await endpoint.leave()
    expect(await asker.addresses('coming')).toBe(NO_SUCH_NAME)
  }
  for (let round = 0; round < 25; round += 1) {
    const other = await world.box(`box${round}`, 'web')
    expect(await asker.addresses(`box${round}`)).toEqual([await addressOf(other)])
    await other.delete()
    expect(await asker.addresses(`box${round}.web`)).toBe(NO_SUCH_NAME)
  }
  expect(world.rig.problems).toEqual([])
})

it('a new sandbox can ask at once', async () => {
  await using world = await NamesWorld.start()
  const { cnm } = world
  await cnm.createNetwork({ name: 'web', internal: true })
  const peer = await world.box('peer', 'web')
  for (let round = 0; round < 20; round += 1) {
    const box = await world.box(`box${round}`, 'web')
    await using asker = await Asker.open(await namespaceOf(box))
    expect(await asker.addresses('peer')).toEqual([await addressOf(peer)])
  }
})

it('a name that moves is followed at once, and nobody loses a query meanwhile', async () => {
  await using world = await NamesWorld.start()
  const { cnm } = world
  const web = await cnm.createNetwork({ name: 'web', internal: true })
  const still = await world.box('still', 'web')
  await using asker = await Asker.open(await namespaceOf(await world.box('asker', 'web')))
  const again = asker.again('still', [await addressOf(still)])
  // Forty at once on the same network, half of which go again; the alias goes from one to the next.
  const come = async (number: number) => {
    const box = await world.box(`box${number}`, 'web')
    await using own = await Asker.open(await namespaceOf(box))
    expect(await own.addresses(`box${number}`)).toEqual([await addressOf(box)])
    expect(await own.addresses('still')).toEqual([await addressOf(still)])
    return box
  }
  const boxes = await Promise.all(Array.from({ length: 40 }, (_, number) => come(number)))
  await Promise.all(boxes.slice(0, 20).map((box) => box.delete()))
  for (const box of boxes.slice(20, 30)) {
    const before = (await box.endpoints())[0]!
    await before.leave()
    const endpoint = await box.connect(web, { aliases: ['moving'] })
    expect(await asker.addresses('moving')).toEqual([(await endpoint.inspect()).ipv4])
    await endpoint.leave()
  }
  expect(await asker.addresses('box7')).toBe(NO_SUCH_NAME)
  expect(await asker.addresses('box35')).toEqual([await addressOf(boxes[35]!)])
  await again.stop()
  expect(again.asked).toBeGreaterThan(100)
  expect(again.wrong).toEqual([])
  expect(world.rig.problems).toEqual([])
})

it('rubbish is counted and stops nobody', async () => {
  await using world = await NamesWorld.start()
  await world.cnm.createNetwork({ name: 'web' })
  const box = await world.box('box', 'web')
  const [path, address] = [await namespaceOf(box), await addressOf(box)]
  const asker = await Asker.open(path)
  for (let round = 0; round < 20; round += 1) {
    for (let i = 0; i < 100; i += 1) asker.send(rubbish())
    expect(await asker.addresses('box')).toEqual([address])
  }
  // A length that is promised and not kept, lengths of nothing, and noise, over TCP.
  for (const bytes of [Buffer.of(0xff, 0xff, 1), Buffer.alloc(4000), randomBytes(4000)]) {
    const client = await connectIn(path, '127.0.0.11', 53)
    client.write(bytes)
    expect((await dig(box, '+tcp', 'box')).answer).toEqual([`A ${address}`])
    client.destroy()
  }
  await asker[Symbol.asyncDispose]()
  await eventually(async () => ((await box.inspect()).names?.counters?.answered.malformed ?? 0) > 0)
  expect(world.rig.problems).toEqual([])
})

/** Noise, or a query with something wrong in it. */
function rubbish(): Buffer {
  const query = writeQuery(randomInt(0x10000), 'box', 'A')
  switch (randomInt(4)) {
    case 0:
      return randomBytes(1 + randomInt(1400))
    case 1:
      return query.subarray(0, randomInt(1, query.length))
    case 2:
      query[randomInt(2, query.length)] = randomInt(256)
      return query
    default:
      // A name that leads to itself.
      return Buffer.concat([query.subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)])
  }
}

it('queries are counted, and told to whoever wants to know', async () => {
  await using world = await NamesWorld.start()
  const { cnm } = world
  await cnm.createNetwork({ name: 'web' })
  const box = await world.box('box', 'web')
  await using asker = await Asker.open(await namespaceOf(box))
  world.upstream.names['www.example.test'] = ['192.0.2.80']
  const stop = new AbortController()
  const told: string[] = []
  const listening = (async () => {
    for await (const { sandboxName, name, type, source, code, transport } of await cnm.queries({
      signal: stop.signal,
    }))
      told.push([sandboxName, name, type, source, code, transport].join(' '))
  })()
  // The log is on once one has been told that is answered at once: those who ask others know of it before.
  await eventually(async () => {
    await asker.addresses('box')
    return told.length > 0
  })
  expect(await asker.addresses('box')).toEqual([await addressOf(box)])
  expect(await asker.addresses('www.example.test')).toEqual(['192.0.2.80'])
  expect(await asker.addresses('www.example.test')).toEqual(['192.0.2.80'])
  const expected = [
    'box box. A local NOERROR udp',
    'box www.example.test. A upstream NOERROR udp',
    'box www.example.test. A cache NOERROR udp',
  ]
  await eventually(() => expected.every((line) => told.includes(line)))
  // Nothing else is asked any more.
  await dig(box, '+tcp', 'box', 'AAAA')
  await eventually(() => told.includes('box box. AAAA local NOERROR tcp'))
  stop.abort()
  await listening.catch(() => {})
  await eventually(async () => ((await box.inspect()).names?.counters?.answered.cache ?? 0) > 0)
  const { asked, answered, latency } = (await box.inspect()).names!.counters!
  expect(answered).toMatchObject({
    upstream: expect.any(Number),
    cache: expect.any(Number),
    failed: 0,
  })
  expect(Object.values(answered).reduce((sum, count) => sum + count)).toBe(asked)
  expect(latency.counts.reduce((sum, count) => sum + count)).toBe(asked)
})
