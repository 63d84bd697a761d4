import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { parseAddress } from '#dist/address/address.js'
import { type KeeperProgram, linuxKernel } from '#dist/kernel/linux/index.js'
import type { ReservationResource, Resource } from '#dist/kernel/resource.js'
import { ask, startEcho } from '../support/echo.ts'
import { closeOf } from '../support/ended.ts'
import { add, address, type KernelRig, keeperOf, remove } from '../support/kernel-rig.ts'
import { inside4, inside6, relay, relayRig } from '../support/relay-rig.ts'
import { connectIn, eventually, openUdp, serveTcp } from '../support/sockets.ts'

/** The listening and bound sockets of the host, as `ss` tells them. */
function listeners(rig: KernelRig): Promise<string> {
  return rig.host.sh('ss -H -lntu')
}

/** Not the one that the rig's kernel has started. */
function otherKeeper(rig: KernelRig): KeeperProgram {
  return { ...keeperOf(rig.host), folder: join(rig.host.folder, 'other') }
}

describe('a relay', () => {
  it.each([
    ['::1', inside6, 'fd00:7::1'],
    ['::1', inside4, '10.7.0.1'],
    ['127.0.0.1', inside4, '10.7.0.1'],
    ['127.0.0.1', inside6, 'fd00:7::1'],
    ['::', inside6, 'fd00:7::1'],
  ])('leads from %s to %s', async (listen, to, from) => {
    await using rig = await relayRig()
    await using _echo = await startEcho(rig.box('box').path)
    const relays = (['tcp', 'udp'] as const).map((protocol) => relay(protocol, listen, to))
    await add(rig.kernel, ...relays)
    const asked = listen === '::' ? '::1' : listen
    expect(await ask(rig.host.netns, 'tcp', asked)).toBe(from)
    expect(await ask(rig.host.netns, 'udp', asked)).toBe(from)
    await remove(rig.kernel, ...relays)
    expect(await listeners(rig)).toBe('')
  })

  it('refuses a port that somebody has, and undoes the rest', async () => {
    await using rig = await relayRig()
    const more = address('br-a', '10.70.0.1/24')
    const before = await rig.host.ip('-j addr')
    await using _tcp = await serveTcp(rig.host.netns, '::1', 7777, () => {})
    await using _udp = await openUdp(rig.host.netns, '::', 7777)
    for (const protocol of ['tcp', 'udp'] as const) {
      const bad = relay(protocol, '::1', inside6)
      const failure = rig.kernel.apply({ remove: [], add: [more, bad] })
      await expect(failure).rejects.toMatchObject({
        code: 'PORT_IN_USE',
        message: expect.stringContaining(`7777/${protocol}`),
        details: expect.objectContaining({ resource: `relay:${protocol} ::1 7777` }),
      })
      const good = relay(protocol, '::1', inside6, [7778, 7777])
      await add(rig.kernel, good)
      expect(await rig.kernel.compare([good, bad])).toMatchObject([
        { resource: bad, state: 'missing' },
      ])
      await remove(rig.kernel, good)
    }
    expect(await rig.host.ip('-j addr')).toEqual(before)
  })

  it('is gone if its change fails, at whatever call', async () => {
    await using rig = await relayRig()
    const change = {
      remove: [],
      add: [
        relay('tcp', '::1', inside6),
        relay('udp', '::1', inside6),
        address('br-a', '10.70.0.1/24'),
      ],
    }
    let failures = 0
    for (;;) {
      await rig.kernel.armFault(failures + 1)
      const error: unknown = await rig.kernel.apply(change).catch((reason: unknown) => reason)
      await rig.kernel.armFault(Number.POSITIVE_INFINITY)
      if (error === undefined) break
      expect(error).toMatchObject({ errno: 'EIO' })
      expect(await listeners(rig)).toBe('')
      expect(await rig.kernel.compare(change.add)).toHaveLength(3)
      failures += 1
    }
    expect(failures).toBeGreaterThanOrEqual(3)
    expect(await rig.kernel.compare(change.add)).toEqual([])
  })

  it('is made again after a restart', async () => {
    await using rig = await relayRig()
    await using _echo = await startEcho(rig.box('box').path)
    const relays = [relay('tcp', '::1', inside6), relay('udp', '::1', inside6)]
    await add(rig.kernel, ...relays)
    await rig.kernel.close()
    expect(await listeners(rig)).toBe('')
    const next = await linuxKernel({ host: rig.host.netns, keeper: keeperOf(rig.host) })
    try {
      const missing = await next.compare(relays)
      expect(missing.map(({ state }) => state)).toEqual(['missing', 'missing'])
      await add(next, ...missing.map(({ resource }) => resource))
      expect(await next.compare(relays)).toEqual([])
      expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
      expect(await ask(rig.host.netns, 'udp', '::1')).toBe('fd00:7::1')
    } finally {
      await next.close()
    }
  })

  it.each([true, false])(
    'and the reservation of its port are not in the way of each other (possible: %s)',
    async (reservePorts) => {
      await using rig = await relayRig({ reservePorts })
      await using _echo = await startEcho(rig.box('box').path)
      const reserved = (['tcp', 'udp'] as const).flatMap((protocol) =>
        ['::', '::1'].map(
          (address): ReservationResource => ({
            kind: 'reservation',
            protocol,
            address: parseAddress(address),
            ports: { from: 7777, to: 7777 },
          }),
        ),
      )
      const relays = [relay('tcp', '::1', inside6), relay('udp', '::1', inside6)]
      await add(rig.kernel, ...reserved, ...relays)
      await add(rig.kernel, ...reserved, ...relays)
      expect(await rig.kernel.holders(reserved)).toEqual([])
      expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
      await rig.kernel.apply({ remove: [...reserved, ...relays], add: [...relays, ...reserved] })
      await remove(rig.kernel, ...reserved)
      await add(rig.kernel, ...reserved)
      expect(await ask(rig.host.netns, 'udp', '::1')).toBe('fd00:7::1')
      await remove(rig.kernel, ...relays, ...reserved)
      await add(rig.kernel, ...reserved, ...relays)
      expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
    },
  )

  it('can be made again while it goes', async () => {
    await using rig = await relayRig()
    await using _echo = await startEcho(rig.box('box').path)
    const wanted = relay('tcp', '::1', inside6)
    await add(rig.kernel, wanted)
    await Promise.all([
      remove(rig.kernel, wanted),
      add(rig.kernel, wanted),
      add(rig.kernel, wanted),
    ])
    expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
  })

  it('keeps no program alive, nor do those who use it', async () => {
    await using rig = await relayRig()
    await using server = await serveTcp(rig.box('box').path, inside6, 7777, () => {})
    const door = new URL('../../dist/kernel/linux/index.js', import.meta.url).href
    const relays = [relay('tcp', '::1', inside6), relay('udp', '::1', inside6)]
    const options = { host: rig.host.netns, keeper: otherKeeper(rig) }
    const source = `
      import { linuxKernel } from '${door}'
      const kernel = await linuxKernel(${JSON.stringify(options)})
      await kernel.apply(${JSON.stringify({ remove: [], add: relays })})
      process.stdin.once('data', () => process.stdin.destroy())`
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['pipe', 'inherit', 'inherit'],
      timeout: 20_000,
    })
    const ended = once(child, 'exit')
    await eventually(async () => (await listeners(rig)).includes(':7777'))
    const client = await connectIn(rig.host.netns, '::1', 7777)
    await eventually(() => server.clients.size === 1)
    child.stdin.end('enough')
    expect(await ended).toEqual([0, null])
    // It goes on all the same, until somebody comes and ends it.
    const next = await linuxKernel(options)
    expect(await next.compare(relays)).toEqual([])
    expect(client.destroyed).toBe(false)
    await next.close()
    client.resume()
    await eventually(() => client.destroyed || client.readableEnded)
    client.destroy()
    expect(await listeners(rig)).toBe('')
  })
})

describe('a TCP relay', () => {
  /** A relay from [::1]:7777, and a connection through it with both its ends. */
  async function connection(rig: KernelRig, onClient: (client: Socket) => void) {
    const server = await serveTcp(rig.box('box').path, inside6, 7777, onClient)
    await add(rig.kernel, relay('tcp', '::1', inside6))
    const client = await connectIn(rig.host.netns, '::1', 7777)
    return { server, client }
  }

  it('passes 100 MB on both ways, and no more than somebody takes', async () => {
    await using rig = await relayRig()
    let server: Socket | undefined
    const { server: listener, client } = await connection(rig, (socket) => {
      server = socket.pause()
    })
    await using _listener = listener
    const chunk = Buffer.alloc(1 << 20)
    const sent = createHash('sha256')
    let written = 0
    const sending = (async () => {
      for (; written < 100; written += 1) {
        chunk.fill(written + 1)
        sent.update(chunk)
        if (!client.write(Buffer.from(chunk))) await once(client, 'drain')
      }
      client.end()
    })()
    await eventually(() => server !== undefined)
    const stalled = await stall(() => written)
    expect(stalled).toBeLessThan(50)
    server!.pipe(server!)
    const [received] = await Promise.all([buffer(client), sending])
    expect(received.length).toBe(100 << 20)
    expect(createHash('sha256').update(received).digest('hex')).toBe(sent.digest('hex'))
  })

  it('passes on the end of one way while the other goes on', async () => {
    await using rig = await relayRig()
    let first: Socket | undefined
    const heard: string[] = []
    const { server, client } = await connection(rig, (socket) => {
      first = socket
      socket.end('good bye')
      socket.on('data', (data) => heard.push(data.toString()))
      socket.on('end', () => heard.push('the end'))
    })
    await using _server = server
    const answers: string[] = []
    client.on('data', (data) => answers.push(data.toString()))
    await finished(client, { writable: false })
    expect(answers.join('')).toBe('good bye')
    expect(first!.writableFinished).toBe(true)
    client.write('one more thing')
    await eventually(() => heard.length > 0)
    client.end()
    await eventually(() => heard.includes('the end'))
    expect(heard).toEqual(['one more thing', 'the end'])
  })

  it('cuts off who is led to nobody, and leads the next', async () => {
    await using rig = await relayRig()
    await add(rig.kernel, relay('tcp', '::1', inside6))
    const client = await connectIn(rig.host.netns, '::1', 7777)
    expect(await closeOf(client)).toBe('cut off')
    await using _echo = await startEcho(rig.box('box').path)
    expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
  })

  it('cuts off one end when the other is', async () => {
    await using rig = await relayRig()
    const { server, client } = await connection(rig, (socket) => socket.resume())
    await using _server = server
    await eventually(() => server.clients.size === 1)
    client.resetAndDestroy()
    await eventually(() => server.clients.size === 0)
    const other = await connectIn(rig.host.netns, '::1', 7777)
    const ended = closeOf(other)
    await eventually(() => server.clients.size === 1)
    for (const socket of server.clients) socket.resetAndDestroy()
    expect(await ended).toBe('cut off')
  })

  it('serves hundreds at a time', async () => {
    await using rig = await relayRig()
    const { server, client } = await connection(rig, (socket) => socket.pipe(socket))
    await using _server = server
    const clients = [client]
    while (clients.length < 300) clients.push(await connectIn(rig.host.netns, '::1', 7777))
    const answers = clients.map((one, index) => {
      one.end(`I am ${index}`)
      return text(one)
    })
    expect(await Promise.all(answers)).toEqual(clients.map((_, index) => `I am ${index}`))
  })

  it('ends what goes on when it is removed, or leads elsewhere', async () => {
    await using rig = await relayRig()
    const { server, client } = await connection(rig, () => {})
    await using _server = server
    await eventually(() => server.clients.size === 1)
    const first = closeOf(client)
    const elsewhere = relay('tcp', '::1', inside4)
    await rig.kernel.apply({ remove: [relay('tcp', '::1', inside6)], add: [elsewhere] })
    expect(await first).toBe('cut off')
    await eventually(() => server.clients.size === 0)
    await using other = await serveTcp(rig.box('box').path, inside4, 7777, () => {})
    const second = await connectIn(rig.host.netns, '::1', 7777)
    await eventually(() => other.clients.size === 1)
    const last = closeOf(second)
    await remove(rig.kernel, elsewhere)
    expect(await last).toBe('cut off')
    await eventually(() => other.clients.size === 0)
    await expect(connectIn(rig.host.netns, '::1', 7777)).rejects.toThrow('ECONNREFUSED')
  })

  it('cuts off what has only just begun when it leads elsewhere', async () => {
    await using rig = await relayRig()
    await using server = await serveTcp(rig.box('box').path, inside6, 7777, () => {})
    const [here, elsewhere] = [relay('tcp', '::1', inside6), relay('tcp', '::1', inside4)]
    for (let round = 0; round < 50; round += 1) {
      await add(rig.kernel, here)
      const client = await connectIn(rig.host.netns, '::1', 7777)
      await eventually(() => server.clients.size === 1)
      await rig.kernel.apply({ remove: [here], add: [elsewhere] })
      expect(await closeOf(client)).toBe('cut off')
      // Nobody reads there, so that an end would never be noticed.
      await eventually(() => server.clients.size === 0)
      await remove(rig.kernel, elsewhere)
    }
  })

  /** The value once it has stopped to grow. */
  async function stall(value: () => number): Promise<number> {
    for (let same = 0, last = -1; same < 10; ) {
      same = value() === last ? same + 1 : 0
      last = value()
      await delay(20)
    }
    return value()
  }
})

describe('a UDP relay', () => {
  it('keeps clients and datagrams apart', async () => {
    await using rig = await relayRig()
    await using server = await openUdp(rig.box('box').path, inside6, 7777)
    server.socket.on('message', (message, { port, address }) => {
      server.socket.send(`you said ${message}`, port, address)
    })
    await add(rig.kernel, relay('udp', '::1', inside6))
    await using one = await openUdp(rig.host.netns, '::1', 0)
    await using two = await openUdp(rig.host.netns, '::1', 0)
    const long = 'x'.repeat(60_000)
    for (const message of ['a', 'b', long]) one.socket.send(message, 7777, '::1')
    two.socket.send('c', 7777, '::1')
    await eventually(() => one.heard.length === 3 && two.heard.length === 1)
    expect(one.heard.map(({ text }) => text)).toEqual(
      ['a', 'b', long].map((message) => `you said ${message}`),
    )
    expect(two.heard).toEqual([{ text: 'you said c', address: '::1', port: 7777 }])
    expect(new Set(server.heard.map(({ port }) => port)).size).toBe(2)
  })

  it('goes on when nobody has listened for a while', async () => {
    await using rig = await relayRig()
    await add(rig.kernel, relay('udp', '::1', inside6))
    await using client = await openUdp(rig.host.netns, '::1', 0)
    client.socket.send('lost', 7777, '::1')
    await using server = await openUdp(rig.box('box').path, inside6, 7777)
    await eventually(() => {
      client.socket.send('hello', 7777, '::1')
      return server.heard.at(-1)?.text === 'hello'
    })
  })

  it('passes nothing on any more when it is removed', async () => {
    await using rig = await relayRig()
    await using server = await openUdp(rig.box('box').path, inside6, 7777)
    const relays: Resource[] = [relay('udp', '::1', inside6)]
    await add(rig.kernel, ...relays)
    await using client = await openUdp(rig.host.netns, '::1', 0)
    client.socket.send('hello', 7777, '::1')
    await eventually(() => server.heard.length === 1)
    await remove(rig.kernel, ...relays)
    const { port: from, address: host } = server.heard[0]!
    server.socket.send('late', from, host)
    // The same way, but to somebody who is still there.
    await using witness = await openUdp(rig.host.netns, host, 9999)
    server.socket.send('late', 9999, host)
    await eventually(() => witness.heard.length === 1)
    expect(client.heard).toEqual([])
    expect(await rig.host.sh('ss -H -nua')).not.toContain(':7777')
  })
})
