import type { IpAddress } from '../../../address/address.ts'
import type { Protocol } from '../../../address/port.ts'
import type { KeptResource, RelayResource, ZoneResource } from '../../kept-resource.ts'
import { USUAL_RANGE } from '../resolver/resolver-sockets.ts'

interface Ear {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
}

/** Where relays and zones listen on the host: those sockets are in nobody's way. */
export class OpenListeners {
  readonly #ears = new Set<string>()

  has(ear: Ear): boolean {
    const { address, port } = ear
    if (this.#ears.has(relayEar(ear))) return true
    return this.#ears.has(address) && port >= USUAL_RANGE.from && port <= USUAL_RANGE.to
  }

  add(resource: KeptResource): void {
    if (isListener(resource)) this.#ears.add(earOf(resource))
  }

  delete(resource: KeptResource): void {
    if (isListener(resource)) this.#ears.delete(earOf(resource))
  }
}

function isListener(resource: KeptResource): resource is RelayResource | ZoneResource {
  return resource.kind === 'relay' || resource.kind === 'zone'
}

/** What a resource listens to on the host: an address and port, or the resolver's ports of an address. */
function earOf(resource: RelayResource | ZoneResource): string {
  if (resource.kind === 'zone') return resource.listen
  const { protocol, listen } = resource
  return relayEar({ protocol, ...listen })
}

function relayEar({ protocol, address, port }: Ear): string {
  return `${protocol} ${address} ${port}`
}
