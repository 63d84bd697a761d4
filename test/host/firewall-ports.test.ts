import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import type { EndpointId } from '#dist/base/id.js'
import { tables } from '#dist/firewall/firewall.js'
import { publishedElement, quietSets } from '#dist/firewall/ports.js'
import { NETLINK_NETFILTER, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'
import { changeElements, ensureTable, replaceTable } from '#dist/kernel/linux/nftables/index.js'
import { inNamespace } from '../support/echo.ts'
import { type ThrowAwayHost, uplink } from '../support/host.ts'
import { ask, openIn, protocols, type Question, serve } from '../support/packets.ts'
import {
  address4,
  address6,
  type Box,
  boxes,
  elements,
  gateway4,
  gateway6,
  lan,
  portOf,
  second4,
  tableWorld,
} from '../support/table-world.ts'

// Ports and gateway modes, as far as the tables go: without a driver, with packets.

const definitions = tables.map(({ definition }) => definition)
/** What is not published, at whatever address. */
const silent = 81

describe.each([0, 1])('with bridge-nf-call-iptables=%i', (callIptables) => {
  const sysctl = '/proc/sys/net/bridge/bridge-nf-call-iptables'
  if (callIptables === 1 && !existsSync(sysctl)) {
    it.skip('kernel without br_netfilter', () => {})
    return
  }

  let host: ThrowAwayHost
  let socket: NetlinkSocket
  const servers: AsyncDisposable[] = []
  const inside = (name: string) => `${host.folder}/${name}`

  beforeAll(async () => {
    host = await tableWorld()
    await host.sh(`echo ${callIptables} | tee ${sysctl} ${sysctl.replace('ip', 'ip6')}`)
    for (const box of boxes) servers.push(serve(inside(box), box, [80, silent, 9100, 9199]))
    for (const name of ['internet', 'remote']) servers.push(serve(inside(name), name, [80]))
    socket = inNamespace(host.netns, () => new NetlinkSocket(NETLINK_NETFILTER))
    for (const definition of definitions) {
      if (definition.owned) replaceTable(socket, definition)
      else ensureTable(socket, definition)
    }
    changeElements(socket, definitions, { remove: [], add: elements() })
  })

  afterAll(async () => {
    socket?.close()
    for (const server of servers) await server[Symbol.asyncDispose]()
    await host?.[Symbol.asyncDispose]()
  })

  /** `a1 seen as 10.1.0.1`, of each that is asked; the expected ones get more than one try. */
  async function expectAnswers(from: string, wanted: readonly [to: string, answer: string][]) {
    const tries = wanted.flatMap(([to, answer]) => {
      const [address, port] = to.split(' ') as [string, string?]
      const questions: readonly Question[] = port === undefined ? ['ping'] : protocols
      return questions.map((what) => ({ to, answer, address, port: Number(port ?? 0), what }))
    })
    const answers = await Promise.all(
      tries.map(async ({ to, answer, address, port, what }) => {
        const probe = { from: inside(from), what, to: address, port }
        const heard = await ask(probe, answer === 'no' ? 1 : 6)
        const said = heard && (what === 'ping' ? 'yes' : `${heard.who} seen ${heard.seen}`)
        return `${to} by ${what}: ${said ?? 'no'}`
      }),
    )
    expect(answers).toEqual(tries.map(({ to, answer, what }) => `${to} by ${what}: ${answer}`))
  }

  it('leads to a published port from everywhere, and shows the sandbox who comes', async () => {
    await expectAnswers('remote', [
      [`${lan.address4} ${portOf('a1')}`, `a1 seen ${lan.remote4}`],
      [`${uplink.address4} ${portOf('b1')}`, `b1 seen ${lan.remote4}`],
      [`${lan.address4} ${portOf('u1')}`, `u1 seen ${lan.remote4}`],
      [`${lan.address4} ${portOf('o1')}`, `o1 seen ${lan.remote4}`],
      [`${gateway4('a')} ${portOf('a1')}`, `a1 seen ${lan.remote4}`],
      [`${lan.address4} ${silent}`, 'no'],
    ])
    await expectAnswers('internet', [
      [`${uplink.address4} ${portOf('a1')}`, `a1 seen ${uplink.gateway4}`],
      [`${uplink.address6} ${portOf('a1')}`, `a1 seen ${uplink.gateway6}`],
    ])
    await expectAnswers('b1', [
      [`${uplink.address4} ${portOf('a1')}`, `a1 seen ${address4('b1')}`],
      [`${uplink.address6} ${portOf('a1')}`, `a1 seen ${address6('b1')}`],
    ])
    await expectAnswers('host', [
      [`${uplink.address4} ${portOf('a1')}`, `a1 seen ${uplink.address4}`],
      [`${uplink.address6} ${portOf('a1')}`, `a1 seen ${uplink.address6}`],
      [`127.0.0.1 ${portOf('a1')}`, `a1 seen ${gateway4('a')}`],
    ])
  })

  it('leads to a published port from the own network, seen as its gateway', async () => {
    for (const from of ['a1', 'a2']) {
      await expectAnswers(from, [
        [`${uplink.address4} ${portOf('a1')}`, `a1 seen ${gateway4('a')}`],
        [`${gateway4('a')} ${portOf('a1')}`, `a1 seen ${gateway4('a')}`],
        [`${uplink.address6} ${portOf('a1')}`, `a1 seen ${gateway6('a')}`],
      ])
    }
  })

  it('serves 127.0.0.1 to nobody but the host', async () => {
    await expectAnswers('remote', [[`127.0.0.1 ${portOf('a1')}`, 'no']])
    await expectAnswers('internet', [[`${address4('a1')} 80`, 'no']])
  })

  it('leads where an address or a range says, and keeps the port of a range', async () => {
    const element = (hostAddress: string, from: number, to: number, inner: number, box: Box) =>
      protocols.map((protocol) =>
        publishedElement(
          {
            family: 4,
            protocol,
            hostAddress: hostAddress as IpAddress,
            hostPorts: { from, to },
            address: address4(box) as IpAddress,
            ports: { from: inner, to: inner + to - from },
          },
          box as unknown as EndpointId,
        ),
      )
    const add = [
      ...element(lan.address4, 9000, 9000, 80, 'a1'),
      ...element(uplink.address4, 9000, 9000, 80, 'a2'),
      ...element('127.0.0.1', 9001, 9001, 80, 'a2'),
      ...element('0.0.0.0', 9100, 9199, 9100, 'b1'),
    ]
    changeElements(socket, definitions, { remove: [], add })
    await expectAnswers('remote', [
      [`${lan.address4} 9000`, `a1 seen ${lan.remote4}`],
      [`${uplink.address4} 9000`, `a2 seen ${lan.remote4}`],
      [`${lan.address4} 9001`, 'no'],
      [`127.0.0.1 9001`, 'no'],
      [`${lan.address4} 9100`, `b1 seen ${lan.remote4}`],
      [`${uplink.address4} 9199`, `b1 seen ${lan.remote4}`],
      [`${lan.address4} 9200`, 'no'],
    ])
    await expectAnswers('host', [
      ['127.0.0.1 9001', `a2 seen ${gateway4('a')}`],
      [`${uplink.address4} 9001`, 'no'],
    ])
    changeElements(socket, definitions, { remove: add, add: [] })
    await expectAnswers('remote', [
      [`${lan.address4} 9000`, 'no'],
      [`${lan.address4} 9100`, 'no'],
    ])
  })

  it('lets in by itself what the mode says, or over a trusted link', async () => {
    await expectAnswers('remote', [
      [address4('a1'), 'no'],
      [`${address4('a1')} 80`, 'no'],
      [`${address4('u1')} 80`, `u1 seen ${lan.remote4}`],
      [`${address4('u1')} ${silent}`, `u1 seen ${lan.remote4}`],
      [address4('u1'), 'yes'],
      [`${address4('r1')} 80`, `r1 seen ${lan.remote4}`],
      [`${address4('r1')} ${silent}`, 'no'],
      [address4('r1'), 'yes'],
      [`${address4('b1')} 80`, `b1 seen ${lan.remote4}`],
      [`${address4('b1')} ${silent}`, 'no'],
      [address4('b1'), 'no'],
    ])
    await expectAnswers('internet', [
      [`${address4('b1')} 80`, 'no'],
      [`${address6('b1')} 80`, 'no'],
      [`${address6('r1')} 80`, `r1 seen ${uplink.gateway6}`],
      [address6('r1'), 'yes'],
      [`${address6('r1')} ${silent}`, 'no'],
    ])
    await expectAnswers('a1', [
      [`${address4('r1')} 80`, `r1 seen ${address4('a1')}`],
      [`${address6('r1')} ${silent}`, 'no'],
    ])
    await expectAnswers('r1', [[`${address4('a1')} 80`, 'no']])
  })

  it('shows each network by its address, or as it is', async () => {
    await expectAnswers('a1', [[`${uplink.gateway4} 80`, `internet seen ${uplink.address4}`]])
    await expectAnswers('u1', [
      [`${uplink.gateway4} 80`, `internet seen ${second4}`],
      [`${uplink.gateway6} 80`, `internet seen ${uplink.address6}`],
    ])
    await expectAnswers('r1', [
      [`${uplink.gateway4} 80`, `internet seen ${address4('r1')}`],
      [`${uplink.gateway6} 80`, `internet seen ${address6('r1')}`],
    ])
  })

  it('keeps endpoints apart but for links, by their published ports too', async () => {
    await expectAnswers('o1', [
      [`${address4('o2')} 80`, `o2 seen ${address4('o1')}`],
      [`${address6('o2')} 80`, `o2 seen ${address6('o1')}`],
      [address4('o2'), 'yes'],
      [`${address4('o3')} 80`, 'no'],
      [`${address6('o3')} 80`, 'no'],
      [`${uplink.address4} ${portOf('o1')}`, `o1 seen ${gateway4('o')}`],
      [`${uplink.address6} ${portOf('o1')}`, `o1 seen ${gateway6('o')}`],
      [`${uplink.address4} ${portOf('o2')}`, `o2 seen ${gateway4('o')}`],
      [`${uplink.address4} ${portOf('o3')}`, 'no'],
      [`${uplink.address6} ${portOf('o3')}`, 'no'],
    ])
    await expectAnswers('o2', [
      [`${address4('o1')} 80`, `o1 seen ${address4('o2')}`],
      [`${address4('o3')} 80`, 'no'],
    ])
  })

  it('marks what it lets pass, all of it', async () => {
    const input = `table inet probe {
      chain c {
        type filter hook forward priority -4
        meta mark & 0x01000000 == 0x01000000 counter comment "marked"
        meta mark & 0x01000000 == 0 counter comment "unmarked"
      }
    }`
    await host.inside(host.netns, ['nft', '-f', '-'], { input })
    await expectAnswers('a1', [[`${uplink.gateway4} 80`, `internet seen ${uplink.address4}`]])
    await expectAnswers('remote', [
      [`${lan.address4} ${portOf('a1')}`, `a1 seen ${lan.remote4}`],
      [`${address4('r1')} 80`, `r1 seen ${lan.remote4}`],
      [`${address4('u1')} 80`, `u1 seen ${lan.remote4}`],
    ])
    await expectAnswers('o1', [
      [`${address4('o2')} 80`, `o2 seen ${address4('o1')}`],
      [`${uplink.address4} ${portOf('o1')}`, `o1 seen ${gateway4('o')}`],
    ])
    const rules = await host.nft('list chain inet probe c')
    expect(rules).toMatch(/counter packets 0 bytes 0 comment "unmarked"/)
    expect(rules).toMatch(/counter packets [1-9]\d* bytes \d+ comment "marked"/)
    await host.nft('delete table inet probe')
  })

  describe('a port that has to fall silent', () => {
    const { family, table, set, ranges } = quietSets(4)
    const quiet = (name: string, ports: string, timeoutMs: number) => ({
      family,
      table,
      set: name,
      key: [address4('a1'), 'udp', ports],
      timeoutMs,
    })
    const expiries = async (name: string) => {
      const json = await host.nft<{ nftables: readonly { set?: Listed }[] }>(
        `-j list set inet cnm ${name}`,
      )
      const listed = json.nftables.flatMap((it) => it.set?.elem ?? [])
      return listed.map(({ elem }) => [String(elem.val.concat[2]), elem.expires] as const)
    }
    const send = (attempts = 1) => knock(inside('a1'), { from: 85, to: uplink.gateway4 }, attempts)

    it('sends nothing, and its time begins anew', async () => {
      expect(await send(6)).toBe(true)
      const change = { remove: [], add: [quiet(set, '85', 3_600_000)] }
      await host.sh('conntrack -D -p udp || true')
      changeElements(socket, definitions, change)
      expect(await send()).toBe(false)
      const [[port, expires]] = (await expiries(set)) as [readonly [string, number]]
      expect([port, expires <= 30]).toEqual(['85', true])
      changeElements(socket, definitions, { remove: change.add, add: [] })
      expect(await send(6)).toBe(true)
    })

    it('is of a range, and goes on by itself', async () => {
      const range = quiet(ranges, '70-90', 60_000)
      await host.sh('conntrack -D -p udp || true')
      changeElements(socket, definitions, { remove: [], add: [range] })
      expect(await send()).toBe(false)
      expect((await expiries(set)).map(([port]) => port)).toEqual(['85'])
      const remove = [range, quiet(set, '85', 30_000)]
      changeElements(socket, definitions, { remove, add: [] })
      expect(await send(6)).toBe(true)
    })

    it('is of a range, though there is no room for more', async () => {
      const range = quiet(ranges, '70-90', 60_000)
      // Whoever has had a large range can fill a set that packets add to.
      const others = Array.from({ length: 65_535 }, (_, index) => {
        const key = ['10.255.255.255', 'udp', String(index + 1)]
        return { ...quiet(set, '', 60_000), key }
      })
      await host.sh('conntrack -D -p udp || true')
      changeElements(socket, definitions, { remove: [], add: [range, ...others] })
      expect(await send()).toBe(false)
      changeElements(socket, definitions, { remove: [range, ...others], add: [] })
      expect(await send(6)).toBe(true)
    })
  })

  it('drops the rest of a flow that nobody knows any more', async () => {
    const input = `table inet probe {
      chain before { type filter hook forward priority -6; iifname br-a tcp dport 88 counter; }
      chain after { type filter hook forward priority -4; iifname br-a tcp dport 88 counter; }
    }`
    const counts = async () => {
      const text = await host.nft('list table inet probe')
      return [...text.matchAll(/packets (\d+)/g)].map(([, count]) => Number(count))
    }
    await using connection = await connect(inside('a1'), { at: host.internet, to: uplink.gateway4 })
    await host.sh('conntrack -D -p tcp || true')
    await host.inside(host.netns, ['nft', '-f', '-'], { input })
    connection.client.write('more')
    await expect.poll(async () => (await counts())[0], { timeout: 5000 }).toBeGreaterThan(0)
    expect((await counts())[1]).toBe(0)
    await host.nft('delete table inet probe')
  })
})

interface Listed {
  readonly elem?: readonly { elem: { val: { concat: readonly unknown[] }; expires: number } }[]
}

/** Whether who listens at port 80 there answers a packet from that port of ours. */
async function knock(
  path: string,
  { from, to }: { from: number; to: string },
  attempts: number,
): Promise<boolean> {
  const socket = createSocket('udp4')
  socket.bind({ fd: openIn(path, 'udp', 4, from) })
  try {
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      socket.send('?', 80, to)
      const signal = AbortSignal.timeout(300 * attempt)
      if (await once(socket, 'message', { signal }).catch(() => undefined)) return true
    }
    return false
  } finally {
    socket.close()
  }
}

/** A connection to port 88 of a namespace that is only kept. */
async function connect(path: string, { at, to }: { at: string; to: string }) {
  const server = createServer((client) => client.on('error', () => {}))
  server.listen({ fd: openIn(at, 'tcp', 4, 88) })
  const client = new Socket({ fd: openIn(path, 'tcp', 4) })
  client.on('error', () => {})
  client.connect({ host: to, port: 88 })
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await Promise.all([once(client, 'connect'), accepted])
  const [peer] = await accepted
  return {
    client,
    async [Symbol.asyncDispose]() {
      client.resetAndDestroy()
      peer.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
