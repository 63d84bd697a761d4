import { readFile } from 'node:fs/promises'
import type { ThrowAwayHost } from './host.ts'

interface IpLink {
  readonly ifname: string
  readonly mtu: number
  readonly group?: string
  readonly master?: string
  readonly address?: string
  readonly flags: readonly string[]
  readonly linkinfo?: {
    readonly info_kind?: string
    readonly info_slave_data?: { readonly hairpin?: boolean; readonly learning?: boolean }
  }
  readonly addr_info: readonly {
    readonly local: string
    readonly prefixlen: number
    readonly scope: string
  }[]
}

interface NftEntry {
  readonly table?: { readonly family: string; readonly name: string }
}

interface IpNeighbour {
  readonly dst: string
  readonly dev: string
  readonly lladdr?: string
  readonly protocol?: string
}

interface FdbEntry {
  readonly mac: string
  readonly ifname: string
  readonly state?: string
}

interface IpRoute {
  readonly dst: string
  readonly gateway?: string
  readonly dev: string
  readonly protocol: string
}

/**
 * All that a throw-away host has, as sorted lines, read with `ip`, `nft` and `tc`: which namespaces are mounted
 * in its folder, and of each its links, addresses, routes, the sysctls that tests write, the rules,
 * the qdiscs and filters.
 * Left out is what the kernel makes up: indexes, handles, counters, what is left of timeouts, MACs of
 * links that have none given; and the namespaces at the paths of `without`.
 */
export async function hostState(
  host: ThrowAwayHost,
  without: readonly string[] = [],
): Promise<readonly string[]> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const paths = mounts
    .filter((line) => line.includes(' - nsfs '))
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${host.folder}/`) && !without.includes(path))
  const states = await Promise.all(paths.map((path) => namespaceState(host, path)))
  return states.flat().sort()
}

interface TcQdisc {
  readonly kind: string
  readonly dev: string
  readonly handle: string
  readonly options?: { readonly rate?: number; readonly lat?: number }
}

const madeUp = new Set(['handle', 'packets', 'bytes', 'expires'])

/** One line for each question, `[]` where `ip` says nothing at all, and one for each sysctl. */
const script = `
one() { local said=$("$@"); echo "\${said:-[]}"; }
one ip -d -j addr
one ip -j route
one ip -6 -j route
one ip -d -j neigh show nud permanent
one bridge -j fdb
nft -j list ruleset
one tc -j qdisc
for l in $(tc qdisc | sed -n 's/^qdisc clsact .* dev \\([^ ]*\\) .*/\\1/p')
do echo filters on $l: $(tc filter show dev $l ingress | sed 's/\\(index\\|order\\) [0-9]*//'); done
grep '' /proc/sys/net/ipv4/conf/*/{forwarding,medium_id} /proc/sys/net/ipv6/conf/*/disable_ipv6`

async function namespaceState(host: ThrowAwayHost, path: string): Promise<string[]> {
  const output = await host.inside(path, ['bash', '-c', script])
  const [links, routes4, routes6, neighbours, fdb, rules, qdiscs, ...others] = output
    .split('\n')
    .filter((line) => line !== '')
  const lines = [
    ...parse<IpLink>(links).flatMap((link) => [linkLine(link), ...addressLines(link)]),
    ...[...parse<IpRoute>(routes4), ...parse<IpRoute>(routes6)].flatMap(routeLines),
    ...parse<IpNeighbour>(neighbours).map(neighbourLine),
    ...parse<FdbEntry>(fdb).flatMap(fdbLines),
    ...ruleLines(rules),
    ...parse<TcQdisc>(qdiscs).flatMap(qdiscLines),
    ...others,
  ]
  return [`${path} mounted`, ...lines.map((line) => `${path} ${line}`)]
}

function parse<T>(text: string | undefined): readonly T[] {
  return JSON.parse(text ?? '') as T[]
}

function linkLine({ ifname, mtu, group, master, address, flags, linkinfo }: IpLink): string {
  const { info_kind = 'device', info_slave_data } = linkinfo ?? {}
  const mac = ifname.startsWith('eth') ? ` mac ${address}` : ''
  const up = flags.includes('UP') ? 'up' : 'down'
  const { hairpin, learning } = info_slave_data ?? {}
  const port = master === undefined ? '' : ` on ${master} hairpin ${hairpin} learning ${learning}`
  return `link ${ifname} ${info_kind} ${up} mtu ${mtu} group ${group}${mac}${port}`
}

function addressLines({ ifname, addr_info }: IpLink): readonly string[] {
  return addr_info
    .filter(({ local }) => !local.startsWith('fe80:'))
    .map(({ local, prefixlen, scope }) => `address ${local}/${prefixlen} ${scope} on ${ifname}`)
}

function routeLines({ dst, gateway, dev, protocol }: IpRoute): readonly string[] {
  if (dst.startsWith('fe80:')) return []
  return [`route ${dst} via ${gateway} on ${dev} by ${protocol}`]
}

function neighbourLine({ dst, dev, lladdr, protocol }: IpNeighbour): string {
  return `neighbour ${dst} is ${lladdr} on ${dev} by ${protocol}`
}

function fdbLines({ mac, ifname, state }: FdbEntry): readonly string[] {
  return state === 'static' ? [`mac ${mac} behind ${ifname}`] : []
}

/** Those that were made, with their times rounded. That a tbf has a queue is not always shown. */
function qdiscLines({ kind, dev, handle, options }: TcQdisc): readonly string[] {
  if (handle === '0:' || kind === 'bfifo') return []
  const { rate = 0, lat = 0 } = options ?? {}
  return [`qdisc ${kind} on ${dev} rate ${rate} latency ${Math.round(lat / 1000)} ms`]
}

function ruleLines(text: string | undefined): readonly string[] {
  const { nftables } = JSON.parse(text ?? '') as { readonly nftables: readonly NftEntry[] }
  return nftables.filter((entry) => !('metainfo' in entry)).map(ruleLine)
}

/** A table's flags say which socket owns it; that goes when the socket is closed. */
function ruleLine(entry: NftEntry): string {
  if (entry.table !== undefined) return `table ${entry.table.family} ${entry.table.name}`
  return JSON.stringify(entry, (key, value) => (madeUp.has(key) ? undefined : value))
}
