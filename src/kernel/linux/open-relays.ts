import type { IpAddress } from '../../address/address.ts'
import type { Protocol } from '../../address/port.ts'

interface Ear {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
}

/** Where relays listen: those sockets are in nobody's way. */
export class OpenRelays {
  readonly #ears = new Set<string>()

  has(ear: Ear): boolean {
    return this.#ears.has(nameOf(ear))
  }

  add(ear: Ear): void {
    this.#ears.add(nameOf(ear))
  }

  /** false: it wasn't there. */
  delete(ear: Ear): boolean {
    return this.#ears.delete(nameOf(ear))
  }
}

function nameOf({ protocol, address, port }: Ear): string {
  return `${protocol} ${address} ${port}`
}
