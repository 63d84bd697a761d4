import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { uplink } from '../support/host.ts'
import { echoBack, Lockstep } from '../support/lockstep.ts'
import { type PacketWorld, packetWorld } from '../support/packet-world.ts'
import { type Met, whatIsMet } from '../support/rule-price.ts'

// What a packet meets of our rules is in docs/design/firewall.md, so that nobody adds to it unseen.
// CNM_WRITE_DOCS=1 writes it there.

const page = fileURLToPath(new URL('../../docs/design/firewall.md', import.meta.url))
const begin = '<!-- what test/host/rule-price.test.ts has counted -->\n'
const end = '<!-- end of what was counted -->'

/** Traces what comes to that port, by UDP, from its first hook on. */
const tracer = (port: number) =>
  ['inet', 'bridge']
    .map((family) => {
      const hook = 'type filter hook prerouting priority -450'
      const output = 'type filter hook output priority -450'
      const rule = `udp dport ${port} meta nftrace set 1`
      const sent = family === 'inet' ? `chain out {\n${output}\n${rule}\n}\n` : ''
      return `table ${family} tracer {\nchain in {\n${hook}\n${rule}\n}\n${sent}}\n`
    })
    .join('')

/** The multicast group of traces, as /proc/net/netlink shows it. */
const NFTRACE = 1 << 8

/** Whether that process listens to what is traced. */
async function listens(pid: number): Promise<boolean> {
  const sockets = await readFile(`/proc/${pid}/net/netlink`, 'utf8')
  return sockets.split('\n').some((line) => {
    const [, , owner, groups = '0'] = line.trim().split(/\s+/)
    return owner === String(pid) && (Number.parseInt(groups, 16) & NFTRACE) !== 0
  })
}

/** What the first packet of a flow meets, and one when both have spoken. */
async function traced(world: PacketWorld, path: string, to: string, port: number) {
  const { host } = world
  await host.inside(host.netns, ['nft', '-f', '-'], { input: tracer(port) })
  const monitor = spawn('nsenter', [`--net=${host.netns}`, 'nft', 'monitor', 'trace'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 30_000,
  })
  const ended = once(monitor, 'close')
  // One way may be several traces: a packet that leaves the bridge begins anew.
  const packets = new Map<string, string[]>()
  const lengths = new Map<string, string>()
  await expect.poll(() => listens(monitor.pid!)).toBe(true)
  const flow = new Lockstep('traced', path, to, port)
  try {
    for await (const line of createInterface({ input: monitor.stdout })) {
      const id = /^trace id (\w+) /.exec(line)?.[1]
      if (id === undefined) continue
      const length = / udp length (\d+) /.exec(line)?.[1]
      if (length !== undefined) lengths.set(id, length)
      const packet = lengths.get(id)!
      packets.set(packet, [...(packets.get(packet) ?? []), line])
      // The last one may not be told to its end.
      if (packets.size > 3) break
    }
  } finally {
    monitor.kill()
    await flow.stop()
    await ended
    await host.nft('delete table inet tracer')
    await host.nft('delete table bridge tracer')
  }
  const [first = [], , later = []] = packets.values()
  return { first: await whatIsMet(host, first), later: await whatIsMet(host, later) }
}

type Row = readonly [what: string, met: Met]

async function rowsOf(callIptables: 0 | 1): Promise<Row[]> {
  await using world = await packetWorld({ callIptables })
  const { engine, host } = world
  const web = await engine.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  const api = await engine.createSandbox({ name: 'api' })
  await api.connect(web, { publish: ['9000:90/udp'] })
  const peer = await engine.createSandbox({ name: 'peer' })
  await peer.connect(web)
  await using _served = await echoBack(await world.path(api), '0.0.0.0', 90)
  await using _outside = await echoBack(host.internet, '0.0.0.0', 91)
  const flow = async (what: string, path: string, to: string, port: number): Promise<Row[]> => {
    const { first, later } = await traced(world, path, to, port)
    return [
      [`${what}, the first`, first],
      [`${what}, later`, later],
    ]
  }
  const neighbours = await flow(
    `between neighbours, \`call-iptables\` ${callIptables}`,
    await world.path(peer),
    '10.7.0.2',
    90,
  )
  if (callIptables === 1) return neighbours
  return [
    ...(await flow('to a published port', host.internet, uplink.address4, 9000)),
    ...(await flow('from a sandbox outwards', await world.path(peer), uplink.gateway4, 91)),
    ...neighbours,
  ]
}

function table(rows: readonly Row[]): string {
  const cells = [
    ['a packet', 'base chains', 'lookups', 'conntrack', 'comparisons', 'ns'],
    ...rows.map(([what, { chains, lookups, conntrack, compares, ns }]) => {
      return [what, ...[chains, lookups, conntrack, compares, ns].map(String)]
    }),
  ]
  const widths = cells[0]!.map((_, at) => Math.max(...cells.map((row) => row[at]!.length)))
  const line = (row: readonly string[]) => {
    return `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |\n`
  }
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n`
  return [line(cells[0]!), rule, ...cells.slice(1).map(line)].join('')
}

it('a packet meets what the page on the firewall says, and no more', async () => {
  const counted = `\n${table([...(await rowsOf(0)), ...(await rowsOf(1))])}\n`
  const text = await readFile(page, 'utf8')
  const [before, rest = ''] = text.split(begin)
  const [written, ...after] = rest.split(end)
  if (process.env.CNM_WRITE_DOCS === '1') {
    await writeFile(page, [before, begin, counted, end, ...after].join(''))
    return
  }
  expect(written).toBe(counted)
})
