import type { RateLimit } from '../../../ruleset.ts'
import { be32, be64, bytes, string, u8 } from '../../netlink/codec.ts'
import { listOf, schema, type ValueOf, variant } from '../../netlink/schema.ts'
import { NFT_REG_1, NFT_REG_VERDICT, NFT_REG32_00, NFTA_LIST_ELEM, VERDICTS } from '../constants.ts'

/** A value, or a verdict with the chain to go to: `struct nft_data`. */
export const data = schema({
  value: [1, bytes],
  verdict: [2, schema({ code: [1, be32], chain: [2, string] })],
})

/**
 * The instructions of nftables' virtual machine. The numbers are those of each one's NFTA_<NAME>_…
 * enum; `nft --debug=netlink` prints a rule in the same terms.
 */
export const expression = schema({
  is: variant(1, 2, {
    bitwise: schema({
      sreg: [1, be32],
      dreg: [2, be32],
      len: [3, be32],
      mask: [4, data],
      xor: [5, data],
    }),
    cmp: schema({ sreg: [1, be32], op: [2, be32], data: [3, data] }),
    counter: schema({}),
    ct: schema({ dreg: [1, be32], key: [2, be32], sreg: [4, be32] }),
    dynset: schema({ set: [1, string], op: [3, be32], key: [4, be32], timeout: [6, be64] }),
    fib: schema({ dreg: [1, be32], result: [2, be32], flags: [3, be32] }),
    immediate: schema({ dreg: [1, be32], data: [2, data] }),
    limit: schema({
      rate: [1, be64],
      unit: [2, be64],
      burst: [3, be32],
      type: [4, be32],
      flags: [5, be32],
    }),
    log: schema({ prefix: [2, string] }),
    lookup: schema({
      set: [1, string],
      sreg: [2, be32],
      dreg: [3, be32],
      setId: [4, be32],
      flags: [5, be32],
    }),
    masq: schema({ flags: [1, be32], portMin: [2, be32], portMax: [3, be32] }),
    match: schema({ name: [1, string], revision: [2, be32], info: [3, bytes] }),
    meta: schema({ dreg: [1, be32], key: [2, be32], sreg: [3, be32] }),
    nat: schema({
      type: [1, be32],
      family: [2, be32],
      address: [3, be32],
      portMin: [5, be32],
      portMax: [6, be32],
    }),
    notrack: schema({}),
    payload: schema({
      dreg: [1, be32],
      base: [2, be32],
      offset: [3, be32],
      len: [4, be32],
      sreg: [5, be32],
      checksumType: [6, be32],
      checksumOffset: [7, be32],
      checksumFlags: [8, be32],
    }),
    range: schema({ sreg: [1, be32], op: [2, be32], from: [3, data], to: [4, data] }),
    reject: schema({ type: [1, be32], code: [2, u8] }),
    target: schema({ name: [1, string], revision: [2, be32], info: [3, bytes] }),
  }),
})

export const expressions = listOf(NFTA_LIST_ELEM, expression)
export type Expression = ValueOf<typeof expression>

/**
 * The register at a byte offset of the 64 bytes. Each 16 bytes have an old name besides the four new
 * ones; the kernel reports the old one, so we use it too.
 */
export function registerAt(offset: number): number {
  return offset % 16 === 0 ? NFT_REG_1 + offset / 16 : NFT_REG32_00 + offset / 4
}

/** `limit rate over RATE/second burst BURST packets` */
export function limitOver({ rate, burst }: RateLimit): Expression {
  const NFT_LIMIT_PKTS = 0
  const data = { rate: BigInt(rate), unit: 1n, burst, type: NFT_LIMIT_PKTS, flags: NFT_LIMIT_F_INV }
  return { is: { kind: 'limit', data } }
}

/** undefined: it is something else. */
export function limitOf(listed: Expression | undefined): RateLimit | undefined {
  const { is } = listed ?? {}
  if (is?.kind !== 'limit' || is.data?.unit !== 1n || is.data.flags !== NFT_LIMIT_F_INV) return
  return { rate: Number(is.data.rate ?? 0), burst: is.data.burst ?? 0 }
}

const NFT_LIMIT_F_INV = 1

/** `accept`, `drop`, `jump chain` … */
export function verdictData(verdict: keyof typeof VERDICTS, chain?: string): ValueOf<typeof data> {
  const code = VERDICTS[verdict] >>> 0
  return { verdict: chain === undefined ? { code } : { code, chain } }
}

export function verdict(name: keyof typeof VERDICTS, chain?: string): Expression {
  return {
    is: { kind: 'immediate', data: { dreg: NFT_REG_VERDICT, data: verdictData(name, chain) } },
  }
}

export function metaLoad(key: number, dreg: number): Expression {
  return { is: { kind: 'meta', data: { key, dreg } } }
}

export function ctLoad(key: number, dreg: number): Expression {
  return { is: { kind: 'ct', data: { key, dreg } } }
}

export function payloadLoad(base: number, offset: number, len: number, dreg: number): Expression {
  return { is: { kind: 'payload', data: { dreg, base, offset, len } } }
}

/**
 * Writes into the transport header, and mends its checksum; a UDP packet without one stays so. (What
 * nft itself writes gives it a wrong one.)
 */
export function transportStore(offset: number, len: number, sreg: number): Expression {
  const NFT_PAYLOAD_TRANSPORT_HEADER = 2
  const NFT_PAYLOAD_CSUM_NONE = 0
  const NFT_PAYLOAD_L4CSUM_PSEUDOHDR = 1
  const data = {
    sreg,
    base: NFT_PAYLOAD_TRANSPORT_HEADER,
    offset,
    len,
    checksumType: NFT_PAYLOAD_CSUM_NONE,
    checksumOffset: 0,
    checksumFlags: NFT_PAYLOAD_L4CSUM_PSEUDOHDR,
  }
  return { is: { kind: 'payload', data } }
}

export function fibLoad(address: 'saddr' | 'daddr', dreg: number): Expression {
  const NFT_FIB_RESULT_ADDRTYPE = 3
  const flags = address === 'saddr' ? 1 : 2
  return { is: { kind: 'fib', data: { dreg, result: NFT_FIB_RESULT_ADDRTYPE, flags } } }
}

export function cmp(op: 'eq' | 'neq', sreg: number, value: Uint8Array): Expression {
  return { is: { kind: 'cmp', data: { sreg, op: op === 'eq' ? 0 : 1, data: { value } } } }
}

export function inRange(not: boolean, sreg: number, from: Uint8Array, to: Uint8Array): Expression {
  const op = not ? 1 : 0
  return { is: { kind: 'range', data: { sreg, op, from: { value: from }, to: { value: to } } } }
}

/** `register = register & mask ^ xor` */
export function bitwise(register: number, mask: Uint8Array, xor: Uint8Array): Expression {
  const len = mask.length
  return {
    is: {
      kind: 'bitwise',
      data: { sreg: register, dreg: register, len, mask: { value: mask }, xor: { value: xor } },
    },
  }
}

export function immediate(dreg: number, value: Uint8Array): Expression {
  return { is: { kind: 'immediate', data: { dreg, data: { value } } } }
}
