import type { IpAddress } from '../../../address/address.ts'
import type { Protocol } from '../../../address/port.ts'
import type { KeptResource, RelayResource, ZoneResource } from '../../kept-resource.ts'
import { USUAL_RANGE } from '../resolver/resolver-sockets.ts'

interface Listener {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
}

/** Where relays and zones listen on the host: those sockets are in no reservation's way. */
export class OpenListeners {
  readonly #listening = new Set<string>()

  has(listener: Listener): boolean {
    const { address, port } = listener
    if (this.#listening.has(relayListener(listener))) return true
    return this.#listening.has(address) && port >= USUAL_RANGE.from && port <= USUAL_RANGE.to
  }

  add(resource: KeptResource): void {
    if (isListener(resource)) this.#listening.add(listenerOf(resource))
  }

  delete(resource: KeptResource): void {
    if (isListener(resource)) this.#listening.delete(listenerOf(resource))
  }
}

function isListener(resource: KeptResource): resource is RelayResource | ZoneResource {
  return resource.kind === 'relay' || resource.kind === 'zone'
}

/** What a resource listens to on the host: an address and port, or the resolver's ports of an address. */
function listenerOf(resource: RelayResource | ZoneResource): string {
  if (resource.kind === 'zone') return resource.listen
  const { protocol, listen } = resource
  return relayListener({ protocol, ...listen })
}

function relayListener({ protocol, address, port }: Listener): string {
  return `${protocol} ${address} ${port}`
}
