import type { ReservationResource } from '../../resource.ts'
import { BLOCK_BYTES, KEY_BYTES, PortBlocks } from '../bpf/port-blocks.ts'
import { readMap } from '../ffi/bpf.ts'

/** Ports in a map of reservations that an engine before this one has put there. */
export class InheritedPorts {
  /** Bits of the elements, by their keys. */
  readonly #bits = new Map<string, Buffer>()

  get isEmpty(): boolean {
    return this.#bits.size === 0
  }

  read(map: number): void {
    for (const { key, value } of readMap(map, { keySize: KEY_BYTES, valueSize: BLOCK_BYTES })) {
      this.#bits.set(key.toString('hex'), value)
    }
  }

  /** undefined: none. */
  bitsOf(key: Buffer): Buffer | undefined {
    return this.isEmpty ? undefined : this.#bits.get(key.toString('hex'))
  }

  /** Whether all ports of a reservation are there; one without any isn't. */
  covers(reservation: ReservationResource): boolean {
    if (this.isEmpty) return false
    const blocks = [...new PortBlocks().add([reservation])]
    const isThere = (key: Buffer, bits: Buffer) => {
      const there = this.bitsOf(key)
      return there !== undefined && bits.every((byte, index) => (byte & ~there[index]!) === 0)
    }
    return blocks.length > 0 && blocks.every(({ key, bits }) => isThere(key, bits))
  }

  /** They are not wanted any more. */
  forget(reservations: readonly ReservationResource[]): void {
    if (this.isEmpty) return
    for (const { key, bits } of new PortBlocks().add(reservations)) {
      const there = this.bitsOf(key)
      for (const [index, byte] of bits.entries()) if (there !== undefined) there[index]! &= ~byte
    }
  }

  /** Answers with the keys of all elements; from now on there are none. */
  takeAll(): readonly Buffer[] {
    const keys = [...this.#bits.keys()].map((key) => Buffer.from(key, 'hex'))
    this.#bits.clear()
    return keys
  }
}
