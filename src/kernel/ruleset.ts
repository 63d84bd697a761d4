import type { PortRange } from '../address/port.ts'

/**
 * nftables tables as plain data, in the words of `nft(8)`. Types only: `kernel/linux/nftables` turns
 * them into bytes, `kernel/memory` prints them, `firewall` writes them.
 */

export type Family = 'inet' | 'ip' | 'ip6' | 'bridge' | 'netdev' | 'arp'

export interface TableDefinition {
  readonly family: Family
  readonly name: string
  /**
   * true: flags owner and persist. No socket but the one that made it can change or flush it, and it
   * survives that socket's end. false: an ordinary table that others may edit.
   */
  readonly owned: boolean
  readonly sets: readonly SetDefinition[]
  readonly chains: readonly ChainDefinition[]
}

/**
 * What keys and values are made of. Elements have them as texts in the words of `nft list`:
 * `br-x`, `10.7.0.1`, `fd00::/64`, `02:00:00:00:00:0a`, `tcp`, `8080`, `ipv4`, `0x00000012`.
 */
export type DataType =
  | 'ifname'
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'ether_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'nf_proto'
  | 'mark'

/** A token bucket: what is beyond it matches. `limit rate over RATE/second burst BURST packets` */
export interface RateLimit {
  /** A second. */
  readonly rate: number
  readonly burst: number
}

/** A set, or (with `value`) a map. Several types are a concatenation. */
export interface SetDefinition {
  readonly name: string
  readonly key: readonly DataType[]
  readonly value?: readonly DataType[] | 'verdict'
  /** Keys may be prefixes and ranges. */
  readonly interval?: boolean
  /** Elements may have, or by default get, a timeout. */
  readonly timeout?: boolean
  readonly timeoutMs?: number
  /** Rules may add elements (`update`). */
  readonly dynamic?: boolean
  /**
   * Each element has a limit of its own, by default this one: who looks it up finds it only when it has been
   * found too often.
   */
  readonly limit?: RateLimit
  readonly comment?: string
}

export interface ChainDefinition {
  readonly name: string
  /** Base chains only. */
  readonly hook?: {
    readonly type: 'filter' | 'nat' | 'route'
    readonly hook:
      | 'prerouting'
      | 'input'
      | 'forward'
      | 'output'
      | 'postrouting'
      | 'ingress'
      | 'egress'
    readonly priority: number
    readonly policy?: 'accept' | 'drop'
    /** netdev family: the link it hangs on. */
    readonly device?: string
  }
  readonly rules: readonly RuleDefinition[]
}

export interface RuleDefinition {
  readonly statements: readonly Statement[]
  readonly comment?: string
}

/** What a packet can be asked. */
export type Selector =
  | 'iifname'
  | 'oifname'
  | 'iifgroup'
  | 'oifgroup'
  | 'ibrname'
  | 'obrname'
  | 'meta protocol'
  | 'meta nfproto'
  | 'meta l4proto'
  | 'meta mark'
  | 'meta pkttype'
  | 'ct state'
  | 'ct status'
  | 'ct mark'
  | 'ct direction'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'ip6 length'
  | 'arp saddr ether'
  | 'arp saddr ip'
  /** Of a neighbour solicitation or advertisement: `@th,64,128`. */
  | 'nd target'
  /** The MAC in the first option of such a message: `@th,208,48`. */
  | 'nd option mac'
  /** The same of a router solicitation: `@th,80,48`. */
  | 'rs option mac'
  | 'ether saddr'
  | 'ether daddr'
  | 'ether type'
  | 'th sport'
  | 'th dport'
  | 'tcp flags'
  | 'icmp type'
  | 'igmp type'
  | 'icmpv6 type'
  | 'fib daddr type'
  | 'fib saddr type'

export type Statement =
  /**
   * `iifname "lo"`, `ip saddr != 127.0.0.0/8`, `ct state { established, related }` (any of them; with
   * `not`, none of them). Addresses can be prefixes; they and ports can be ranges: `1000-1999`.
   */
  | { readonly match: Selector; readonly not?: boolean; readonly value: string | readonly string[] }
  /**
   * `meta mark & 0x1 == 0x1`: these bits are set. With `mask`, that of these bits just those are set:
   * `iifgroup & 0xffff0000 == 0x32180000`. With `not`, that they aren't.
   */
  | {
      readonly bits: 'meta mark' | 'ct mark' | 'iifgroup' | 'oifgroup'
      readonly mask?: number
      readonly not?: boolean
      readonly value: number
    }
  /** `iifname . ip saddr @masquerade4` */
  | { readonly lookup: readonly Selector[]; readonly not?: boolean; readonly set: string }
  /** `meta nfproto . oifname vmap @gateway_mode` */
  | { readonly vmap: readonly Selector[]; readonly map: string }
  | { readonly verdict: 'accept' | 'drop' | 'continue' | 'return' }
  | { readonly jump: string }
  | { readonly goto: string }
  /** With `ports`, sources get a port of that range: `masquerade to :16384-65535`. */
  | { readonly masquerade: true; readonly ports?: PortRange }
  /**
   * `dnat ip to meta l4proto . th dport map @ports`: address, or address and port, from the map. With
   * `ports` (only where the map has none), a port of that range.
   */
  | {
      readonly nat: 'dnat' | 'snat'
      readonly family: 'ip' | 'ip6'
      readonly map: string
      readonly key: readonly Selector[]
      readonly ports?: PortRange
    }
  | { readonly notrack: true }
  /** `th dport set 5353`. Only after a question that leaves one protocol. */
  | { readonly setPort: 'th sport' | 'th dport'; readonly value: number }
  | { readonly counter: true }
  | { readonly reject: 'tcp reset' | 'port-unreachable' | 'admin-prohibited' }
  | { readonly log: string }
  | { readonly limit: { readonly rate: number; readonly per: 'second' | 'minute' | 'hour' } }
  /** Adds or refreshes an element from the packet. */
  | { readonly update: string; readonly key: readonly Selector[]; readonly timeoutMs?: number }
  | { readonly setMark: 'meta mark' | 'ct mark'; readonly value: number; readonly mask?: number }
