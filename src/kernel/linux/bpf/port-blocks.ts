import { addressBytes, familyOf, type IpAddress, isUnspecified } from '../../../address/address.ts'
import type { ReservationResource } from '../../resource.ts'

/** A map element is about this many ports, with a bit for each. */
export const BLOCK_PORTS = 2048
export const BLOCK_BYTES = BLOCK_PORTS / 8

/**
 * The key of an element: `{ u16 protocol; u8 family; u8 scope; u32 block; u8 address[16] }`, where the
 * block is the port divided by BLOCK_PORTS, and zeros are all addresses of the family.
 */
export const KEY_BYTES = 24

/** Ports reserved at the address in the key. */
export const AT_ADDRESS = 0
/** Ports reserved at one address or the other: no process may bind them at all addresses of the family. */
export const AT_SOME = 1

// BPF programs are not asked about SCTP: its sockets are bound by a function of their own.
const protocols = { tcp: 6, udp: 17, sctp: undefined } as const

/** One map element as it should be. */
export interface Block {
  readonly name: string
  readonly key: Buffer
  readonly bits: Buffer
  /** How many reservations there are of each port: two may overlap. */
  readonly wants: Uint16Array
  /** How many bits are set. With none, the element isn't needed. */
  used: number
}

/** What of a block a reservation is about: these bits, both ends included. */
interface Part {
  readonly block: Block
  readonly from: number
  readonly to: number
}

/** What belongs into the map, from the reservations there are. */
export class PortBlocks {
  readonly #blocks = new Map<string, Block>()

  /** Answers with the blocks it is about. */
  add(reservations: readonly ReservationResource[]): ReadonlySet<Block> {
    const touched = new Set<Block>()
    for (const { block, from, to } of this.#partsOf(reservations)) {
      touched.add(block)
      for (let port = from; port <= to; port++) {
        block.wants[port]! += 1
        if (block.wants[port] === 1) flip(block, port, 1)
      }
    }
    return touched
  }

  /** What was added before. Answers with the blocks it was about; those without a bit are forgotten. */
  remove(reservations: readonly ReservationResource[]): ReadonlySet<Block> {
    const touched = new Set<Block>()
    for (const { block, from, to } of this.#partsOf(reservations)) {
      touched.add(block)
      for (let port = from; port <= to; port++) {
        block.wants[port]! -= 1
        if (block.wants[port] === 0) flip(block, port, -1)
      }
    }
    for (const { name, used } of touched) if (used === 0) this.#blocks.delete(name)
    return touched
  }

  /** All that have a bit. */
  all(): Iterable<Block> {
    return this.#blocks.values()
  }

  *#partsOf(reservations: readonly ReservationResource[]): Iterable<Part> {
    for (const { protocol, address, ports } of reservations) {
      const number = protocols[protocol]
      if (number === undefined) continue
      const scopes = isUnspecified(address) ? [AT_ADDRESS] : [AT_ADDRESS, AT_SOME]
      for (let start = ports.from; start <= ports.to; ) {
        const index = Math.floor(start / BLOCK_PORTS)
        const first = index * BLOCK_PORTS
        const end = Math.min(ports.to, first + BLOCK_PORTS - 1)
        for (const scope of scopes) {
          const block = this.#block(number, scope, index, address)
          yield { block, from: start - first, to: end - first }
        }
        start = end + 1
      }
    }
  }

  #block(protocol: number, scope: number, index: number, address: IpAddress): Block {
    const family = familyOf(address)
    const name = `${protocol} ${family} ${index} ${scope === AT_SOME ? 'some' : address}`
    let block = this.#blocks.get(name)
    if (block === undefined) {
      const key = Buffer.alloc(KEY_BYTES)
      key.writeUInt16LE(protocol, 0)
      key[2] = family
      key[3] = scope
      key.writeUInt32LE(index, 4)
      if (scope === AT_ADDRESS) key.set(addressBytes(address), 8)
      const bits = Buffer.alloc(BLOCK_BYTES)
      block = { name, key, bits, wants: new Uint16Array(BLOCK_PORTS), used: 0 }
      this.#blocks.set(name, block)
    }
    return block
  }
}

function flip(block: Block, port: number, change: 1 | -1): void {
  block.bits[port >> 3]! ^= 1 << (port & 7)
  block.used += change
}
