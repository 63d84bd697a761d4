import { CnmError } from '../../../../base/errors.ts'
import type { Family, Selector } from '../../../ruleset.ts'
import type { ValueTypeName } from '../values/value-type.ts'
import { ctLoad, type Expression, fibLoad, metaLoad, payloadLoad } from './expression.ts'

/** What must be known of a packet before a header of it can be read. */
export type Dependency = 'ip' | 'ip6' | 'arp' | 'ether' | 'tcp' | 'icmp' | 'igmp' | 'icmpv6'

interface SelectorShape {
  readonly type: ValueTypeName
  readonly load: (register: number) => Expression
  readonly needs: readonly Dependency[]
}

/** NFT_META_… */
const META = {
  protocol: 1,
  mark: 3,
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  nfproto: 15,
  l4proto: 16,
  ibrname: 17,
  obrname: 18,
  pkttype: 19,
  iifgroup: 21,
  oifgroup: 22,
} as const

/** NFT_CT_… */
const CT = { state: 0, direction: 1, status: 2, mark: 3 } as const

/** Marks have the same number in both: NFT_META_MARK, NFT_CT_MARK. */
export const MARK_KEY = META.mark

/** NFT_PAYLOAD_…_HEADER */
const HEADER = { link: 0, network: 1, transport: 2 } as const

function meta(key: keyof typeof META, type: ValueTypeName): SelectorShape {
  return { type, needs: [], load: (register) => metaLoad(META[key], register) }
}

function ct(key: keyof typeof CT, type: ValueTypeName): SelectorShape {
  return { type, needs: [], load: (register) => ctLoad(CT[key], register) }
}

function payload(
  type: ValueTypeName,
  header: keyof typeof HEADER,
  offset: number,
  length: number,
  ...needs: Dependency[]
): SelectorShape {
  return {
    type,
    needs,
    load: (register) => payloadLoad(HEADER[header], offset, length, register),
  }
}

const shapes: Readonly<Record<Selector, SelectorShape>> = {
  iifname: meta('iifname', 'ifname'),
  oifname: meta('oifname', 'ifname'),
  iifgroup: meta('iifgroup', 'devgroup'),
  oifgroup: meta('oifgroup', 'devgroup'),
  ibrname: meta('ibrname', 'ifname'),
  obrname: meta('obrname', 'ifname'),
  'meta protocol': meta('protocol', 'ether_type'),
  'meta nfproto': meta('nfproto', 'nf_proto'),
  'meta l4proto': meta('l4proto', 'inet_proto'),
  'meta mark': meta('mark', 'mark'),
  'meta pkttype': meta('pkttype', 'pkt_type'),
  'ct state': ct('state', 'ct_state'),
  'ct status': ct('status', 'ct_status'),
  'ct mark': ct('mark', 'mark'),
  'ct direction': ct('direction', 'ct_dir'),
  'ip saddr': payload('ipv4_addr', 'network', 12, 4, 'ip'),
  'ip daddr': payload('ipv4_addr', 'network', 16, 4, 'ip'),
  'ip6 saddr': payload('ipv6_addr', 'network', 8, 16, 'ip6'),
  'ip6 daddr': payload('ipv6_addr', 'network', 24, 16, 'ip6'),
  'ip6 length': payload('length', 'network', 4, 2, 'ip6'),
  'arp saddr ether': payload('ether_addr', 'network', 8, 6, 'arp'),
  'arp saddr ip': payload('ipv4_addr', 'network', 14, 4, 'arp'),
  'nd target': payload('ipv6_addr', 'transport', 8, 16, 'ip6', 'icmpv6'),
  'nd option mac': payload('ether_addr', 'transport', 26, 6, 'ip6', 'icmpv6'),
  'rs option mac': payload('ether_addr', 'transport', 10, 6, 'ip6', 'icmpv6'),
  'ether saddr': payload('ether_addr', 'link', 6, 6, 'ether'),
  'ether daddr': payload('ether_addr', 'link', 0, 6, 'ether'),
  'ether type': payload('ether_type', 'link', 12, 2, 'ether'),
  'th sport': payload('inet_service', 'transport', 0, 2),
  'th dport': payload('inet_service', 'transport', 2, 2),
  'tcp flags': payload('tcp_flag', 'transport', 13, 1, 'tcp'),
  'icmp type': payload('icmp_type', 'transport', 0, 1, 'ip', 'icmp'),
  'igmp type': payload('igmp_type', 'transport', 0, 1, 'ip', 'igmp'),
  'icmpv6 type': payload('icmpv6_type', 'transport', 0, 1, 'ip6', 'icmpv6'),
  'fib daddr type': {
    type: 'fib_addrtype',
    needs: [],
    load: (register) => fibLoad('daddr', register),
  },
  'fib saddr type': {
    type: 'fib_addrtype',
    needs: [],
    load: (register) => fibLoad('saddr', register),
  },
}

export function selectorShape(selector: Selector): SelectorShape {
  return shapes[selector]
}

/** What to load and what it must be equal to, so that a dependency is met. */
interface Guard {
  /** The same for guards that look at the same thing, so that a rule asks once. */
  readonly subject: string
  readonly load: (register: number) => Expression
  readonly value: Uint8Array
}

/** ARPHRD_ETHER, in the host's byte order. */
const ARPHRD_ETHER = new Uint8Array(Uint16Array.of(1).buffer)

/** undefined: packets of this family always meet it. */
export function guardFor(need: Dependency, family: Family): Guard | undefined {
  switch (need) {
    case 'ip':
    case 'ip6':
    case 'arp':
      return networkGuard(need, family)
    case 'ether':
      if (family === 'bridge') return undefined
      return { subject: 'iiftype', load: metaLoader('iiftype'), value: ARPHRD_ETHER }
    case 'tcp':
      return l4Guard(6)
    case 'icmp':
      return l4Guard(1)
    case 'igmp':
      return l4Guard(2)
    case 'icmpv6':
      return l4Guard(58)
  }
}

function metaLoader(key: keyof typeof META): Guard['load'] {
  return (register) => metaLoad(META[key], register)
}

function l4Guard(protocol: number): Guard {
  return { subject: 'meta l4proto', load: metaLoader('l4proto'), value: Uint8Array.of(protocol) }
}

const ETHER_TYPE = { ip: [0x08, 0x00], ip6: [0x86, 0xdd], arp: [0x08, 0x06] } as const

function networkGuard(need: 'ip' | 'ip6' | 'arp', family: Family): Guard | undefined {
  if (family === need) return undefined
  if (family === 'inet' && need !== 'arp') {
    const value = Uint8Array.of(need === 'ip' ? 2 : 10)
    return { subject: 'meta nfproto', load: metaLoader('nfproto'), value }
  }
  if (family === 'bridge' || family === 'netdev') {
    const value = Uint8Array.from(ETHER_TYPE[need])
    return { subject: 'meta protocol', load: metaLoader('protocol'), value }
  }
  throw new CnmError('INVALID_ARGUMENT', `a table of family ${family} has no ${need} packets`)
}
