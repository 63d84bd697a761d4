import { readFileSync } from 'node:fs'
import { isKernelError } from '../../../base/errors.ts'
import { close } from '../ffi/file.ts'
import { AF_INET, AF_INET6, getsockopt, SOCK_RAW, socket } from '../ffi/socket.ts'
import {
  type Condition,
  type Filter,
  type FilterRule,
  NF_INET_FORWARD,
  type Verdict,
} from './filter-chains.ts'

/**
 * The tables of iptables without nftables. They are read only where they are loaded already:
 * asking would load them.
 */

// linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h, linux/netfilter/x_tables.h
const IPT_SO_GET_INFO = 64
const IPT_SO_GET_ENTRIES = 65
const IPPROTO_RAW = 255
const TABLE = 'filter'
const NAME_BYTES = 32
const INFO_BYTES = 84
const ENTRIES_BYTES = 40
const INVERT_IN_LINK = 0x01
const INVERT_OUT_LINK = 0x02
const STANDARD_TARGET = ''
const ERROR_TARGET = 'ERROR'
const XT_RETURN = -5

/** Where things are in `struct ipt_entry` and `struct ip6t_entry`. */
interface Layout {
  readonly level: number
  /** Of the addresses with their masks, which are zero where they don't matter. */
  readonly addresses: readonly [from: number, to: number]
  readonly inLink: number
  readonly outLink: number
  readonly inMask: number
  readonly outMask: number
  readonly protocol: number
  readonly flags: number
  /** IPT_F_GOTO, IP6T_F_GOTO */
  readonly gotoFlag: number
  readonly inverted: number
  readonly targetOffset: number
  readonly bytes: number
}

const layouts: Readonly<Record<4 | 6, Layout>> = {
  4: {
    level: 0,
    addresses: [0, 16],
    inLink: 16,
    outLink: 32,
    inMask: 48,
    outMask: 64,
    protocol: 80,
    flags: 82,
    gotoFlag: 0x02,
    inverted: 83,
    targetOffset: 88,
    bytes: 112,
  },
  6: {
    level: 41,
    addresses: [0, 64],
    inLink: 64,
    outLink: 80,
    inMask: 96,
    outMask: 112,
    protocol: 128,
    flags: 131,
    gotoFlag: 0x04,
    inverted: 132,
    targetOffset: 140,
    bytes: 168,
  },
}

/** Called in the host's namespace. */
export function legacyFilters(): Filter[] {
  return ([4, 6] as const).flatMap((version) => {
    if (!isLoaded(version)) return []
    const fd = socket(version === 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW)
    try {
      return [readFilter(fd, version)]
    } catch (error) {
      // Unloaded or changed meanwhile.
      if (isKernelError(error)) return []
      throw error
    } finally {
      close(fd)
    }
  })
}

function isLoaded(version: 4 | 6): boolean {
  try {
    // Not /proc/net, which is that of the process's first thread.
    const path = `/proc/thread-self/net/ip${version === 4 ? '' : '6'}_tables_names`
    return readFileSync(path, 'utf8').split('\n').includes(TABLE)
  } catch {
    return false
  }
}

function readFilter(fd: number, version: 4 | 6): Filter {
  const { level } = layouts[version]
  const info = Buffer.alloc(INFO_BYTES)
  info.write(TABLE)
  getsockopt(fd, level, IPT_SO_GET_INFO, info)
  const [first, policy] = [4, 24].map((at) =>
    info.readUInt32LE(NAME_BYTES + at + 4 * NF_INET_FORWARD),
  ) as [number, number]
  const size = info.readUInt32LE(INFO_BYTES - 4)
  const answer = Buffer.alloc(ENTRIES_BYTES + size)
  answer.write(TABLE)
  answer.writeUInt32LE(size, NAME_BYTES)
  getsockopt(fd, level, IPT_SO_GET_ENTRIES, answer)
  return parseEntries(answer.subarray(ENTRIES_BYTES), version, first, policy)
}

/**
 * Chains lie one behind the other; one of the user's begins with an ERROR entry that has its name.
 * FORWARD begins at `first`, and the rule at `last` is its policy.
 */
function parseEntries(entries: Buffer, version: 4 | 6, first: number, last: number): Filter {
  const layout = layouts[version]
  const chains = new Map<string, FilterRule[]>()
  // Jumps are to offsets: to the first rule of a chain.
  const names = new Map<number, string>()
  let rules: FilterRule[] = []
  for (let at = 0; at + layout.bytes <= entries.length; ) {
    const target = at + entries.readUInt16LE(at + layout.targetOffset)
    const next = at + entries.readUInt16LE(at + layout.targetOffset + 2)
    if (next <= at || target >= next) break
    if (at === first || names.has(at)) {
      rules = []
      chains.set(names.get(at) ?? 'FORWARD', rules)
    }
    if (textAt(entries, target + 2, 29) === ERROR_TARGET) {
      names.set(next, textAt(entries, target + 32, 30))
    } else {
      rules.push(toRule(entries.subarray(at, next), target - at, layout))
    }
    at = next
  }
  return {
    family: 'legacy',
    version,
    table: TABLE,
    chain: 'FORWARD',
    policy: verdictAt(entries, last, layout) === 'drop' ? 'drop' : 'accept',
    chains: new Map([...chains].map(([name, list]) => [name, list.map((it) => named(it, names))])),
  }
}

/** Jumps are read before all names of chains are known. */
function named(rule: FilterRule, names: ReadonlyMap<number, string>): FilterRule {
  const { verdict } = rule
  if (typeof verdict !== 'object') return rule
  return { ...rule, verdict: { ...verdict, to: names.get(Number(verdict.to)) ?? '' } }
}

function toRule(entry: Buffer, target: number, layout: Layout): FilterRule {
  const jumpFlag = entry[layout.flags]! & layout.gotoFlag
  const verdict = verdictOf(entry.subarray(target), jumpFlag === 0)
  return {
    conditions: [
      ...linkConditions(entry, layout),
      ...matches(entry.subarray(layout.bytes, target)),
    ],
    ...(verdict === undefined ? {} : { verdict }),
  }
}

function linkConditions(entry: Buffer, layout: Layout): Condition[] {
  const isZero = (from: number, to: number) => entry.subarray(from, to).every((byte) => byte === 0)
  const conditions: Condition[] = []
  const anyAddress = isZero(...layout.addresses) && entry.readUInt16LE(layout.protocol) === 0
  const inverted = entry[layout.inverted]!
  const links = INVERT_IN_LINK | INVERT_OUT_LINK
  if (!anyAddress || (inverted & ~links) !== 0) conditions.push('unknown')
  const named = (link: number, mask: number) => {
    if (isZero(mask, mask + 16)) return undefined
    const name = textAt(entry, link, 16)
    // With the NUL behind the name, it is exactly that.
    return { name, prefix: entry[mask + name.length] === 0 }
  }
  const from = named(layout.inLink, layout.inMask)
  const to = named(layout.outLink, layout.outMask)
  if (from) {
    const not = (inverted & INVERT_IN_LINK) !== 0
    conditions.push({ from: from.name, prefix: from.prefix, not })
  }
  if (to) {
    const not = (inverted & INVERT_OUT_LINK) !== 0
    conditions.push({ to: to.name, prefix: to.prefix, not })
  }
  return conditions
}

function matches(list: Buffer): Condition[] {
  const conditions: Condition[] = []
  for (let at = 0; at + 32 <= list.length; ) {
    const size = list.readUInt16LE(at)
    if (size < 32) break
    const name = textAt(list, at + 2, 29)
    // struct xt_mark_mtinfo1
    if (name === 'mark' && size >= 44) {
      const mark = list.readInt32LE(at + 32)
      const mask = list.readInt32LE(at + 36)
      conditions.push({ mark, mask, not: list[at + 40] !== 0 })
    } else if (name !== 'comment') conditions.push('unknown')
    at += size
  }
  return conditions
}

function verdictAt(entries: Buffer, at: number, layout: Layout): Verdict | undefined {
  return verdictOf(entries.subarray(at + entries.readUInt16LE(at + layout.targetOffset)), true)
}

function verdictOf(target: Buffer, comesBack: boolean): Verdict | undefined {
  const name = textAt(target, 2, 29)
  if (name === 'REJECT') return 'drop'
  if (name !== STANDARD_TARGET) return undefined
  const verdict = target.readInt32LE(32)
  if (verdict >= 0) return { to: String(verdict), comesBack }
  if (verdict === XT_RETURN) return 'return'
  // Verdicts of netfilter are counted from -1 down.
  return verdict === -1 ? 'drop' : verdict === -2 ? 'accept' : undefined
}

function textAt(buffer: Buffer, at: number, length: number): string {
  const bytes = buffer.subarray(at, at + length)
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? length : end)
}
