import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import type { PortRange } from '#dist/address/port.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import type { NamespaceRef, Resource, TableResource } from '#dist/kernel/resource.js'
import type { Selector } from '#dist/kernel/ruleset.js'
import { throwAwayHost, uplink } from '../support/host.ts'
import { add, defaultRoute, KernelRig, network, port, remove } from '../support/kernel-rig.ts'
import { eventually } from '../support/sockets.ts'
import { connection, pushingServer, Talker } from '../support/talk.ts'

const BRIDGE = 'br-f'
/** Packets of a stream that is over, at one a millisecond. */
const MANY = 2000

const source4: readonly Selector[] = ['ip saddr', 'meta l4proto', 'th sport']
const source6: readonly Selector[] = ['ip6 saddr', 'meta l4proto', 'th sport']

/** What docs/design/firewall.md says of published ports, and no more. */
const table: TableResource = {
  kind: 'table',
  definition: {
    family: 'inet',
    name: 'flows',
    owned: true,
    sets: (['4', '6'] as const).flatMap((family) => {
      const address = `ipv${family}_addr` as const
      const key = [address, 'inet_proto', 'inet_service'] as const
      return [
        {
          name: `published${family}`,
          key: ['inet_proto', 'inet_service'] as const,
          value: [address, 'inet_service'] as const,
        },
        { name: `quiet${family}`, key, timeoutMs: 30_000, dynamic: true },
        { name: `quiet_ranges${family}`, key, interval: true, timeoutMs: 60_000 },
      ]
    }),
    chains: [
      {
        name: 'prerouting',
        hook: { type: 'nat', hook: 'prerouting', priority: -100 },
        rules: (['4', '6'] as const).map((family) => ({
          statements: [
            { match: 'meta nfproto', value: `ipv${family}` },
            { match: 'fib daddr type', value: 'local' },
            {
              nat: 'dnat',
              family: family === '4' ? 'ip' : 'ip6',
              map: `published${family}`,
              key: ['meta l4proto', 'th dport'],
            },
          ],
        })),
      },
      {
        name: 'forward',
        hook: { type: 'filter', hook: 'forward', priority: 0 },
        rules: [
          {
            statements: [
              { match: 'ct state', value: ['established', 'related'] },
              { verdict: 'accept' },
            ],
          },
          { statements: [{ match: 'iifname', not: true, value: BRIDGE }, { verdict: 'accept' }] },
          {
            statements: [
              { match: 'meta l4proto', value: 'tcp' },
              { match: 'tcp flags', not: true, value: 'syn' },
              { verdict: 'drop' },
            ],
          },
          ...[
            { family: '4', key: source4 },
            { family: '6', key: source6 },
          ].flatMap(({ family, key }) =>
            ['quiet', 'quiet_ranges'].map((set) => ({
              statements: [
                { lookup: key, set: `${set}${family}` },
                { update: `quiet${family}`, key },
                { verdict: 'drop' } as const,
              ],
            })),
          ),
        ],
      },
      {
        name: 'postrouting',
        hook: { type: 'nat', hook: 'postrouting', priority: 100 },
        rules: [
          {
            statements: [{ match: 'oifname', value: uplink.link }, { masquerade: true }],
          },
        ],
      },
    ],
  },
}

interface Family {
  readonly family: '4' | '6'
  readonly any: IpAddress
  readonly host: string
  readonly client: string
  address(number: number): IpAddress
}

const families: readonly Family[] = [
  {
    family: '4',
    any: '0.0.0.0' as IpAddress,
    host: uplink.address4,
    client: uplink.gateway4,
    address: (number) => `10.7.0.${number}` as IpAddress,
  },
  {
    family: '6',
    any: '::' as IpAddress,
    host: uplink.address6,
    client: uplink.gateway6,
    address: (number) => `fd00:7::${number}` as IpAddress,
  },
]
const [ipv4] = families as [Family]

/** Ports of the host that lead to the same ports of a sandbox. */
function published(
  { family, any, address }: Family,
  number: number,
  protocol: 'tcp' | 'udp',
  ports: PortRange,
): readonly Resource[] {
  const count = ports.to - ports.from + 1
  return [
    { kind: 'reservation', protocol, address: any, ports },
    {
      kind: 'element',
      family: 'inet',
      table: 'flows',
      set: `published${family}`,
      key: [protocol, String(ports.from)],
      value: [address(number), String(ports.from)],
      ...(count === 1 ? {} : { run: count }),
      owner: `endpoint-${number}`,
    },
    {
      kind: 'flows',
      address: address(number),
      protocol,
      ports,
      link: `v-${number}`,
      quiet: {
        family: 'inet',
        table: 'flows',
        set: `quiet${family}`,
        ranges: `quiet_ranges${family}`,
      },
    },
  ]
}

const one: PortRange = { from: 7000, to: 7000 }
const ten: PortRange = { from: 7000, to: 7009 }

/** Two sandboxes behind a host that forwards, and a client beyond it. */
class FlowsRig extends KernelRig {
  readonly boxes: readonly NamespaceRef[] = [this.box('a'), this.box('b')]

  /** All there is of a sandbox; numbers are 2 and 3. */
  endpoint(number: number): Resource[] {
    const namespace = this.boxes[number - 2]!
    return [
      { kind: 'namespace', namespace },
      ...port({ namespace, name: `v-${number}`, bridge: BRIDGE, n: 7, number, ipv6: true }),
      defaultRoute('eth0', '10.7.0.1', namespace),
      defaultRoute('eth0', 'fd00:7::1', namespace),
    ]
  }

  client(family: Family, number = 7000): Talker {
    const at = { address: family.client, port: 5000 }
    return new Talker('client', this.host.internet, at, { address: family.host, port: number })
  }

  /** A server that goes on sending to whom it has heard last. */
  server(name: 'a' | 'b', { family }: Family, number = 7000): Talker {
    const address = family === '4' ? '0.0.0.0' : '::'
    return new Talker(name, this.box(name).path, { address, port: number })
  }

  /** The elements of a set, as nft prints them, without what is left of their time. */
  async elements(set: string): Promise<readonly string[]> {
    interface Listed {
      readonly set?: { readonly elem?: readonly { readonly elem: { readonly val: unknown } }[] }
    }
    const { nftables } = await this.host.nft<{ readonly nftables: readonly Listed[] }>(
      `-j list set inet flows ${set}`,
    )
    const found = nftables.flatMap((entry) => entry.set?.elem ?? [])
    return found.map(({ elem }) => JSON.stringify(elem.val)).sort()
  }
}

async function flowsRig(): Promise<FlowsRig> {
  const host = await throwAwayHost({ internet: true })
  const rig = new FlowsRig(host, await linuxKernel({ host: host.netns }))
  try {
    await host.sh('cd /proc/sys/net; echo 1 > ipv4/ip_forward; echo 1 > ipv6/conf/all/forwarding')
    await add(
      rig.kernel,
      table,
      ...network(BRIDGE, 7, true),
      ...rig.endpoint(2),
      ...rig.endpoint(3),
    )
    return rig
  } catch (error) {
    await rig[Symbol.asyncDispose]()
    throw error
  }
}

function talking(client: Talker, server: Talker): Promise<void> {
  return eventually(() => client.last(server.name) > 0 && server.last(client.name) > 0)
}

/** That nothing of what is sent from now on arrives, however much it is. */
async function expectSilence(client: Talker, server: Talker): Promise<void> {
  const [fromClient, fromServer] = [client.sent, server.sent]
  await Promise.all([client.send(MANY), server.send(MANY)])
  expect(server.last('client')).toBeLessThanOrEqual(fromClient)
  expect(client.last(server.name)).toBeLessThanOrEqual(fromServer)
}

describe.each(families)('datagrams over IPv$family', (family) => {
  it('end when their port is no longer published, and go on when it is again', async () => {
    await using rig = await flowsRig()
    using server = rig.server('a', family)
    using client = rig.client(family)
    const web = published(family, 2, 'udp', one)
    await add(rig.kernel, ...web)
    await talking(client, server)
    await remove(rig.kernel, ...web)
    await expectSilence(client, server)
    await add(rig.kernel, ...web)
    const [fromClient, fromServer] = [client.sent, server.sent]
    await eventually(() => {
      return server.last('client') > fromClient && client.last('a') > fromServer
    })
    expect(await rig.elements(`quiet${family.family}`)).toEqual([])
  })

  it('go to whoever publishes the port next', async () => {
    await using rig = await flowsRig()
    using first = rig.server('a', family)
    using second = rig.server('b', family)
    using client = rig.client(family)
    const [before, after] = [published(family, 2, 'udp', one), published(family, 3, 'udp', one)]
    await add(rig.kernel, ...before)
    await talking(client, first)
    await rig.kernel.apply({ remove: before, add: after })
    const [fromClient, fromFirst] = [client.sent, first.sent]
    await Promise.all([client.send(MANY), first.send(MANY)])
    expect(first.last('client')).toBeLessThanOrEqual(fromClient)
    expect(client.last('a')).toBeLessThanOrEqual(fromFirst)
    expect(second.last('client')).toBeGreaterThan(fromClient)
    expect(client.last('b')).toBeGreaterThan(0)
  })

  it('of one of many ports end, and only they', async () => {
    await using rig = await flowsRig()
    using server = rig.server('a', family, 7003)
    using client = rig.client(family, 7003)
    const many = published(family, 2, 'udp', ten)
    await add(rig.kernel, ...many)
    await talking(client, server)
    await remove(rig.kernel, ...many)
    await expectSilence(client, server)
    const range = JSON.stringify({ concat: [family.address(2), 'udp', { range: [7000, 7009] }] })
    expect(await rig.elements(`quiet_ranges${family.family}`)).toEqual([range])
    // Its own packets keep it quiet.
    const own = JSON.stringify({ concat: [family.address(2), 'udp', 7003] })
    expect(await rig.elements(`quiet${family.family}`)).toEqual([own])
    await add(rig.kernel, ...published(family, 2, 'udp', { from: 7003, to: 7003 }))
    const fromServer = server.sent
    await eventually(() => client.last('a') > fromServer)
    expect(await rig.elements(`quiet${family.family}`)).toEqual([])
    const left = [
      [7000, 7002],
      [7004, 7009],
    ].map((ports) => JSON.stringify({ concat: [family.address(2), 'udp', { range: ports }] }))
    expect(await rig.elements(`quiet_ranges${family.family}`)).toEqual(left)
  })
})

describe('a sandbox that leaves', () => {
  it('has its clients forgotten, and is not made quiet', async () => {
    await using rig = await flowsRig()
    using client = rig.client(ipv4)
    using second = rig.server('b', ipv4)
    const web = published(ipv4, 2, 'udp', one)
    {
      using first = rig.server('a', ipv4)
      await add(rig.kernel, ...web)
      await talking(client, first)
    }
    await remove(rig.kernel, ...web, ...rig.endpoint(2))
    expect(await rig.elements('quiet4')).toEqual([])
    await add(rig.kernel, ...published(ipv4, 3, 'udp', one))
    await talking(client, second)
  })
})

describe('what is not forwarded', () => {
  it('goes on: flows to the address of the sandbox itself', async () => {
    await using rig = await flowsRig()
    const counters = `
      table inet count {
        chain out { type filter hook output priority 0; udp dport 7000 ct state new counter; }
        chain in { type filter hook input priority 0; udp sport 7000 ct state new counter; }
      }`
    await rig.host.sh('nft -f -', { input: counters })
    using server = rig.server('a', ipv4)
    using client = rig.client(ipv4)
    const own = { address: '10.7.0.1', port: 5001 }
    const box = { address: ipv4.address(2), port: 7000 }
    using neighbour = new Talker('neighbour', rig.host.netns, own, box)
    const web = published(ipv4, 2, 'udp', one)
    await add(rig.kernel, ...web)
    await talking(client, server)
    await talking(neighbour, server)
    const before = await counts(rig, rig.host.netns)
    await remove(rig.kernel, ...web)
    const [fromClient, fromNeighbour] = [client.sent, neighbour.sent]
    await eventually(() => server.last('neighbour') > fromNeighbour)
    expect(server.last('client')).toBeLessThanOrEqual(fromClient)
    expect(await counts(rig, rig.host.netns)).toEqual(before)
  })
})

/** What the counters of `inet count` have counted in that namespace. */
async function counts(rig: FlowsRig, path: string): Promise<readonly number[]> {
  const text = await rig.host.inside(path, ['nft', 'list', 'table', 'inet', 'count'])
  return [...text.matchAll(/packets (\d+)/g)].map(([, packets]) => Number(packets))
}

describe('a connection', () => {
  /** Packets to the port, from it (but resets), and sent from it. */
  const counters = `
    table inet count {
      chain in {
        type filter hook input priority 0
        tcp dport 7000 counter
        tcp sport 7000 tcp flags & rst == 0 counter
      }
      chain out { type filter hook output priority 0; tcp sport 7000 counter; }
    }`

  it('ends when its port is no longer published, though the server pushes', async () => {
    await using rig = await flowsRig()
    const [box] = rig.boxes as [NamespaceRef]
    for (const path of [box.path, rig.host.internet]) {
      await rig.host.inside(path, ['nft', '-f', '-'], { input: counters })
    }
    await using _server = await pushingServer(box.path, { address: '0.0.0.0', port: 7000 })
    const web = published(ipv4, 2, 'tcp', one)
    await add(rig.kernel, ...web)
    const client = connection(rig.host.internet, { address: uplink.address4, port: 7000 })
    const timer = setInterval(() => client.writable && client.write('pull'), 1)
    try {
      let heard = 0
      let error: unknown
      client.on('data', ({ length }) => {
        heard += length
      })
      client.on('error', (reason) => {
        error = reason
      })
      await eventually(() => heard > 0)
      await remove(rig.kernel, ...web)
      const [toServer, , sent] = await counts(rig, box.path)
      const [, fromServer] = await counts(rig, rig.host.internet)
      // The server sends again and again what nobody acknowledges.
      await eventually(async () => (await counts(rig, box.path))[2]! >= sent! + 4)
      expect((await counts(rig, box.path))[0]).toBe(toServer)
      expect((await counts(rig, rig.host.internet))[1]).toBe(fromServer)
      expect(error).toMatchObject({ code: 'ECONNRESET' })
    } finally {
      clearInterval(timer)
      client.destroy()
    }
  })
})
