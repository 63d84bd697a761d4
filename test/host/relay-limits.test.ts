import { afterEach, describe, expect, it, vi } from 'vitest'
import type { RelaySupport } from '#dist/keeper/process/relays/relay.js'
import { Slots } from '#dist/keeper/process/relays/slots.js'
import { TcpRelay } from '#dist/keeper/process/relays/tcp-relay.js'
import { UdpRelay } from '#dist/keeper/process/relays/udp-relay.js'
import { openListener, openUnboundSocket } from '#dist/kernel/linux/ports/sockets.js'
import { inNamespace } from '../support/echo.ts'
import type { KernelRig } from '../support/kernel-rig.ts'
import { inside6, relay, relayRig } from '../support/relay-rig.ts'
import { connectIn, eventually, openUdp, serveTcp, type UdpEnd } from '../support/sockets.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Relays of the host that may have so many clients. */
function serve(rig: KernelRig, protocol: 'tcp' | 'udp', count: number, ...ports: number[]) {
  const support: RelaySupport = {
    openClient: (type, family) =>
      inNamespace(rig.host.netns, () => openUnboundSocket(type, family)),
    slots: new Slots(count),
  }
  const Relay = protocol === 'tcp' ? TcpRelay : UdpRelay
  const relays = ports.map((from) => {
    const resource = relay(protocol, '::1', inside6, [from, 7777])
    const request = { type: protocol, family: 6, ...resource.listen } as const
    const fd = inNamespace(rig.host.netns, () => openListener(request))
    return new Relay(fd, resource, support)
  })
  return {
    [Symbol.dispose]() {
      for (const one of relays) one.end()
    },
  }
}

/** The last port from which the server has heard this client. */
async function portOf(client: UdpEnd, server: UdpEnd, text: string, via = 7777): Promise<number> {
  client.socket.send(text, via, '::1')
  await eventually(() => server.heard.at(-1)?.text === text)
  return server.heard.at(-1)!.port
}

/** Whether somebody who connects is cut off. */
async function isCutOff(rig: KernelRig, port: number): Promise<boolean> {
  try {
    const client = await connectIn(rig.host.netns, '::1', port)
    await eventually(() => client.destroyed)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNRESET'
  }
}

/** Sockets of the host that lead to the sandbox. */
async function flows(rig: KernelRig): Promise<number> {
  const list = await rig.host.sh('ss -H -nua dst [fd00:7::2]')
  return list.split('\n').filter((line) => line !== '').length
}

describe('TCP relays', () => {
  it('serve so many at a time and cut off who comes then', async () => {
    await using rig = await relayRig()
    await using server = await serveTcp(rig.box('box').path, inside6, 7777, () => {})
    using _relays = serve(rig, 'tcp', 3, 7777, 7778)
    const clients = []
    for (const port of [7777, 7778, 7778]) {
      clients.push(await connectIn(rig.host.netns, '::1', port))
    }
    await eventually(() => server.clients.size === 3)
    expect(await isCutOff(rig, 7777)).toBe(true)
    expect(server.clients.size).toBe(3)
    clients.shift()!.resetAndDestroy()
    await eventually(() => server.clients.size === 2)
    clients.push(await connectIn(rig.host.netns, '::1', 7778))
    await eventually(() => server.clients.size === 3)
    for (const client of clients) client.resetAndDestroy()
    await eventually(() => server.clients.size === 0)
  })

  it('count a connection as long as something of it is not taken', async () => {
    await using rig = await relayRig()
    await using server = await serveTcp(rig.box('box').path, inside6, 7777, (socket) =>
      socket.pause(),
    )
    using _relays = serve(rig, 'tcp', 1, 7777)
    const client = await connectIn(rig.host.netns, '::1', 7777)
    // More than the kernel keeps for somebody who doesn't read.
    client.resume().end(Buffer.alloc(32 << 20))
    await eventually(() => server.clients.size === 1)
    for (const socket of server.clients) socket.end()
    expect(await isCutOff(rig, 7777)).toBe(true)
    for (const socket of server.clients) socket.resume()
    await eventually(() => client.destroyed && server.clients.size === 0)
    const next = await connectIn(rig.host.netns, '::1', 7777)
    await eventually(() => server.clients.size === 1)
    next.destroy()
  })
})

describe('UDP relays', () => {
  it('forget a client that is quiet for 90 s, and no other', async () => {
    await using rig = await relayRig()
    await using server = await openUdp(rig.box('box').path, inside6, 7777)
    await using client = await openUdp(rig.host.netns, '::1', 0)
    await using other = await openUdp(rig.host.netns, '::1', 0)
    using _relays = serve(rig, 'udp', 1024, 7777)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const first = await portOf(client, server, 'first')
    const same = await portOf(other, server, 'other')
    expect(same).not.toBe(first)
    vi.advanceTimersByTime(60_000)
    expect(await portOf(client, server, 'again')).toBe(first)
    // What comes back keeps it as well.
    server.socket.send('back', same, 'fd00:7::1')
    await eventually(() => other.heard.length === 1)
    vi.advanceTimersByTime(89_999)
    expect(await flows(rig)).toBe(2)
    expect(await portOf(other, server, 'still there')).toBe(same)
    vi.advanceTimersByTime(1)
    expect(await flows(rig)).toBe(1)
    await portOf(client, server, 'anew')
    expect(await flows(rig)).toBe(2)
  })

  it('forget the one that is quiet the longest where there are too many', async () => {
    await using rig = await relayRig()
    await using server = await openUdp(rig.box('box').path, inside6, 7777)
    await using one = await openUdp(rig.host.netns, '::1', 0)
    await using two = await openUdp(rig.host.netns, '::1', 0)
    await using three = await openUdp(rig.host.netns, '::1', 0)
    using _relays = serve(rig, 'udp', 2, 7777, 7778)
    await portOf(one, server, 'a')
    const second = await portOf(two, server, 'b')
    await portOf(three, server, 'c')
    expect(await portOf(two, server, 'd')).toBe(second)
    await portOf(one, server, 'e')
    expect(await portOf(two, server, 'f')).toBe(second)
    expect(await flows(rig)).toBe(2)
    // Those of another relay are let be.
    one.socket.send('lost', 7778, '::1')
    expect(await portOf(two, server, 'g')).toBe(second)
    expect(server.heard.map(({ text }) => text)).not.toContain('lost')
  })
})
