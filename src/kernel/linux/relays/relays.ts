import { bracketed } from '../../../address/address.ts'
import { KeyedQueue } from '../../../base/keyed-queue.ts'
import type { RelayResource } from '../../kept-resource.ts'
import type { Change, Difference } from '../../kernel.ts'
import { type Resource, resourceKey } from '../../resource.ts'
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

/** The relays of this process. They are served by the calling thread and don't keep it alive. */
export class Relays {
  readonly #served = new Map<string, Relay>()
  readonly #queue = new KeyedQueue()
  readonly #support: Readonly<Record<'tcp' | 'udp', RelaySupport>>

  constructor(openClient: RelaySupport['openClient']) {
    this.#support = {
      tcp: { openClient, slots: new Slots(MOST_CLIENTS) },
      udp: { openClient, slots: new Slots(MOST_CLIENTS) },
    }
  }

  /**
   * Has the rest of a change performed, which answers with listening sockets for its relays; if that
   * fails, nothing changes here either.
   */
  async change(
    change: Change,
    perform: (rest: Change) => Promise<readonly number[]>,
  ): Promise<void> {
    const wanted = change.add.filter(isRelay)
    const unwanted = change.remove.filter(isRelay)
    const keys = [...wanted, ...unwanted].map(resourceKey)
    if (keys.length === 0) {
      await perform(change)
      return
    }
    await this.#queue.run(keys, async () => {
      const isNew = (relay: RelayResource) => !this.#served.has(resourceKey(relay))
      const fresh = wanted.filter(isNew)
      const stay = new Set(wanted.map(resourceKey))
      const sockets = await perform({
        remove: change.remove.filter((resource) => !stay.has(resourceKey(resource))),
        add: change.add.filter((resource) => !isRelay(resource) || isNew(resource)),
      })
      for (const key of unwanted.map(resourceKey)) if (!stay.has(key)) this.#end(key)
      for (const relay of wanted) this.#redirect(relay)
      for (const [index, relay] of fresh.entries()) this.#serve(relay, sockets[index]!)
    })
  }

  compare(resource: RelayResource): readonly Difference[] {
    const { protocol, listen, to } = resource
    const name = `relay ${protocol} ${end(listen)}`
    const found = this.#served.get(resourceKey(resource))
    if (found === undefined) return [{ resource, state: 'missing', detail: `no ${name}` }]
    if (end(found.to) === end(to)) return []
    const detail = `${name} leads to ${end(found.to)}, not ${end(to)}`
    return [{ resource, state: 'different', detail }]
  }

  close(): void {
    for (const key of this.#served.keys()) this.#end(key)
  }

  #serve(relay: RelayResource, fd: number): void {
    const { protocol } = relay
    const key = resourceKey(relay)
    const Served = protocol === 'tcp' ? TcpRelay : UdpRelay
    this.#served.set(key, new Served(fd, relay, this.#support[protocol]))
  }

  #redirect(relay: RelayResource): void {
    const served = this.#served.get(resourceKey(relay))
    if (served !== undefined && end(served.to) !== end(relay.to)) served.redirect(relay.to)
  }

  #end(key: string): void {
    this.#served.get(key)?.end()
    this.#served.delete(key)
  }
}

export function isRelay(resource: Resource): resource is RelayResource {
  return resource.kind === 'relay'
}

function end({ address, port }: RelayResource['to']): string {
  return `${bracketed(address)}:${port}`
}
