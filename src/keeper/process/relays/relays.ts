import type { RelayResource } from '../../../kernel/kept-resource.ts'
import { openSocketBeside } from '../../../kernel/linux/service/index.ts'
import type { RelayChange } from '../control/messages.ts'
import type { Relay, RelaySupport } from './relay.ts'
import { Slots } from './slots.ts'
import { TcpRelay } from './tcp-relay.ts'
import { UdpRelay } from './udp-relay.ts'

/**
 * So many TCP connections at a time and so many clients over UDP, of all relays together. A
 * connection takes two descriptors, and 4,096 is what the kernel gives a process unless it is told
 * otherwise.
 */
const MOST_CLIENTS = 1024

/** The relays that are served, by their keys. */
export class Relays {
  readonly #served = new Map<string, Relay>()
  readonly #support: Readonly<Record<'tcp' | 'udp', RelaySupport>>

  constructor(openClient: RelaySupport['openClient'] = openHere) {
    this.#support = {
      tcp: { openClient, slots: new Slots(MOST_CLIENTS) },
      udp: { openClient, slots: new Slots(MOST_CLIENTS) },
    }
  }

  change({ key, relay, fd }: RelayChange): void {
    const served = this.#served.get(key)
    if (relay === undefined || fd !== undefined) {
      served?.end()
      this.#served.delete(key)
    }
    if (relay === undefined) return
    if (fd !== undefined) this.#serve(key, relay, fd)
    else if (served !== undefined && !isSame(served.to, relay.to)) served.redirect(relay.to)
  }

  #serve(key: string, relay: RelayResource, fd: number): void {
    const { protocol } = relay
    const Served = protocol === 'tcp' ? TcpRelay : UdpRelay
    this.#served.set(key, new Served(fd, relay, this.#support[protocol]))
  }
}

function openHere(type: 'tcp' | 'udp', family: 4 | 6): number {
  return openSocketBeside(undefined, type, family)
}

function isSame(a: RelayResource['to'], b: RelayResource['to']): boolean {
  return a.address === b.address && a.port === b.port
}
