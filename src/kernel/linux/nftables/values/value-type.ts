/** Values in keys, rules and maps: their types (here), how they lie in memory, as spans, and as user data. */

import {
  addressBytes,
  addressFromBytes,
  familyOf,
  parseAddress,
} from '../../../../address/address.ts'
import { type MacAddress, macBytes, macFromBytes } from '../../../../address/mac.ts'
import { CnmError } from '../../../../base/errors.ts'
import type { DataType } from '../../../ruleset.ts'

/** What values there are besides those that sets can be made of. */
export type ValueTypeName =
  | DataType
  | 'pkt_type'
  | 'devgroup'
  | 'ct_state'
  | 'ct_status'
  | 'ct_dir'
  | 'ether_type'
  | 'length'
  | 'tcp_flag'
  | 'icmp_type'
  | 'igmp_type'
  | 'icmpv6_type'
  | 'fib_addrtype'

/**
 * One of nft's data types: its number (kept by the kernel for programs that list the set), its size, and
 * its values as text and as bytes. Numbers are in network order in packets; marks, states and the like
 * are in the host's, which is little-endian wherever this library runs.
 */
export interface ValueType {
  readonly name: ValueTypeName
  readonly id: number
  readonly bytes: number
  readonly order: 'host' | 'network'
  /** Values are sets of flags. */
  readonly flags: boolean
  readonly parse: (text: string) => Uint8Array
  readonly format: (bytes: Uint8Array) => string
}

function numberBytes(value: number, size: number, order: 'host' | 'network'): Uint8Array {
  const bytes = new Uint8Array(size)
  const little = order === 'host'
  for (let index = 0; index < size; index++) {
    bytes[little ? index : size - 1 - index] = value >>> (8 * index)
  }
  return bytes
}

function numberFromBytes(bytes: Uint8Array, order: 'host' | 'network'): number {
  const little = order === 'host'
  let value = 0
  for (let index = 0; index < bytes.length; index++) {
    value = value * 256 + bytes[little ? bytes.length - 1 - index : index]!
  }
  return value
}

interface NumberShape {
  readonly name: ValueTypeName
  readonly id: number
  readonly bytes: number
  readonly order?: 'host' | 'network'
  readonly flags?: boolean
  readonly names?: Readonly<Record<string, number>>
  readonly print?: (value: number) => string
}

/** Numbers with names for some of them; printed by name where there is one. */
function numbers(shape: NumberShape): ValueType {
  const { name, id, bytes, order = 'network', flags = false, names = {} } = shape
  const texts = new Map(Object.entries(names).map(([text, value]) => [value, text]))
  const print = shape.print ?? String
  return {
    name,
    id,
    bytes,
    order,
    flags,
    parse(text) {
      const known = Object.hasOwn(names, text) ? names[text] : undefined
      const value = known ?? (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : Number.NaN)
      if (!(value < 2 ** (8 * bytes))) throw notA(name, text)
      return numberBytes(value, bytes, order)
    },
    format(raw) {
      const value = numberFromBytes(raw, order)
      return texts.get(value) ?? print(value)
    },
  }
}

function addresses(name: 'ipv4_addr' | 'ipv6_addr', id: number, family: 4 | 6): ValueType {
  return {
    name,
    id,
    bytes: family === 4 ? 4 : 16,
    order: 'network',
    flags: false,
    parse(text) {
      const address = parseAddress(text)
      if (familyOf(address) !== family) throw notA(name, text)
      return addressBytes(address)
    },
    format: addressFromBytes,
  }
}

/** The error for a text that can't be read. */
export function notA(type: ValueTypeName, text: string): CnmError {
  return new CnmError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is not a value of type ${type}`,
    {
      details: { type, text },
    },
  )
}

const interfaceName: ValueType = {
  name: 'ifname',
  id: 41,
  bytes: 16,
  order: 'host',
  flags: false,
  parse(text) {
    const bytes = Buffer.from(text)
    // The kernel wants a NUL at the end and compares all 16 bytes.
    if (text === '' || bytes.length > 15) throw notA('ifname', text)
    const padded = new Uint8Array(16)
    padded.set(bytes)
    return padded
  },
  format(bytes) {
    const end = bytes.indexOf(0)
    return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString()
  },
}

const etherAddress: ValueType = {
  name: 'ether_addr',
  id: 9,
  bytes: 6,
  order: 'network',
  flags: false,
  parse(text) {
    // Any six bytes: that of a group is no link's, but a packet's all the same.
    if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw notA('ether_addr', text)
    return macBytes(text as MacAddress)
  },
  format: macFromBytes,
}

const all: readonly ValueType[] = [
  interfaceName,
  addresses('ipv4_addr', 7, 4),
  addresses('ipv6_addr', 8, 6),
  etherAddress,
  numbers({
    name: 'inet_proto',
    id: 12,
    bytes: 1,
    names: { icmp: 1, igmp: 2, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 },
  }),
  numbers({ name: 'inet_service', id: 13, bytes: 2 }),
  numbers({ name: 'nf_proto', id: 2, bytes: 1, order: 'host', names: { ipv4: 2, ipv6: 10 } }),
  numbers({
    name: 'mark',
    id: 19,
    bytes: 4,
    order: 'host',
    print: (value) => `0x${value.toString(16).padStart(8, '0')}`,
  }),
  numbers({ name: 'devgroup', id: 35, bytes: 4, order: 'host' }),
  numbers({
    name: 'pkt_type',
    id: 31,
    bytes: 1,
    order: 'host',
    names: { host: 0, broadcast: 1, multicast: 2, other: 3 },
  }),
  numbers({
    name: 'ct_state',
    id: 26,
    bytes: 4,
    order: 'host',
    flags: true,
    names: { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
  }),
  numbers({
    name: 'ct_status',
    id: 28,
    bytes: 4,
    order: 'host',
    flags: true,
    names: {
      expected: 1,
      'seen-reply': 2,
      assured: 4,
      confirmed: 8,
      snat: 16,
      dnat: 32,
      dying: 512,
    },
  }),
  numbers({
    name: 'ct_dir',
    id: 27,
    bytes: 1,
    order: 'host',
    names: { original: 0, reply: 1 },
  }),
  numbers({
    name: 'ether_type',
    id: 10,
    bytes: 2,
    names: { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, '8021q': 0x8100, '8021ad': 0x88a8 },
  }),
  // nft's type of any number.
  numbers({ name: 'length', id: 4, bytes: 2 }),
  numbers({
    name: 'tcp_flag',
    id: 15,
    bytes: 1,
    flags: true,
    names: { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 },
  }),
  numbers({
    name: 'icmp_type',
    id: 14,
    bytes: 1,
    names: {
      'echo-reply': 0,
      'destination-unreachable': 3,
      redirect: 5,
      'echo-request': 8,
      'time-exceeded': 11,
      'parameter-problem': 12,
    },
  }),
  numbers({
    name: 'igmp_type',
    id: 42,
    bytes: 1,
    names: {
      'membership-query': 0x11,
      'membership-report-v1': 0x12,
      'membership-report-v2': 0x16,
      'leave-group': 0x17,
      'membership-report-v3': 0x22,
    },
  }),
  numbers({
    name: 'icmpv6_type',
    id: 29,
    bytes: 1,
    names: {
      'destination-unreachable': 1,
      'packet-too-big': 2,
      'time-exceeded': 3,
      'parameter-problem': 4,
      'echo-request': 128,
      'echo-reply': 129,
      'mld-listener-query': 130,
      'mld-listener-report': 131,
      'mld-listener-done': 132,
      'mld2-listener-report': 143,
      'nd-router-solicit': 133,
      'nd-router-advert': 134,
      'nd-neighbor-solicit': 135,
      'nd-neighbor-advert': 136,
      'nd-redirect': 137,
    },
  }),
  numbers({
    name: 'fib_addrtype',
    id: 38,
    bytes: 4,
    order: 'host',
    names: { unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, blackhole: 6 },
  }),
]

const byName = new Map(all.map((type) => [type.name, type]))

export function valueType(name: ValueTypeName): ValueType {
  return byName.get(name)!
}

export function valueTypeById(id: number): ValueType | undefined {
  return all.find((type) => type.id === id)
}
