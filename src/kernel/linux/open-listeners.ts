import type { IpAddress } from '../../address/address.ts'
import type { Protocol } from '../../address/port.ts'
import type { KeptResource } from '../kept-resource.ts'

interface Ear {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
}

/** Where relays and zones listen on the host: those sockets are in nobody's way. */
export class OpenListeners {
  readonly #ears = new Set<string>()

  has(ear: Ear): boolean {
    return this.#ears.has(nameOf(ear))
  }

  add(resource: KeptResource): void {
    for (const ear of earsOf(resource)) this.#ears.add(nameOf(ear))
  }

  delete(resource: KeptResource): void {
    for (const ear of earsOf(resource)) this.#ears.delete(nameOf(ear))
  }
}

/** What a resource listens to on the host. */
export function earsOf(
  resource: KeptResource,
): readonly (Ear & { readonly protocol: 'tcp' | 'udp' })[] {
  switch (resource.kind) {
    case 'relay':
      return [{ protocol: resource.protocol, ...resource.listen }]
    case 'zone':
      return (['udp', 'tcp'] as const).map((protocol) => {
        return { protocol, address: resource.listen, port: 53 }
      })
    default:
      return []
  }
}

function nameOf({ protocol, address, port }: Ear): string {
  return `${protocol} ${address} ${port}`
}
