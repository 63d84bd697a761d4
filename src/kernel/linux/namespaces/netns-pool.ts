import { RESOLVER_ADDRESS } from '../../kept-resource.ts'
import { close } from '../ffi/file.ts'
import { openResolverSockets } from '../resolver/resolver-sockets.ts'
import { makeResolverTable, replaceResolverTable } from '../resolver/resolver-table.ts'
import { setLink } from '../rtnetlink/link.ts'
import { Lingering } from './lingering.ts'
import type { Namespaces } from './namespace.ts'
import { NetnsHandle, ownNetns } from './netns-handle.ts'

/**
 * New network namespaces, `lo` up, not mounted anywhere yet. After the first, one is made in advance
 * while no caller waits: that is a third of what attaching takes. So is a resolver's part of it, where the
 * last one has got a resolver. Nothing but its descriptors keeps it.
 */
export class NetnsPool {
  readonly lingering = new Lingering()
  readonly #namespaces: Namespaces
  #spare: StockPlace | undefined
  #isWanted = false
  #isClosed = false
  #hasResolver = false

  constructor(namespaces: Namespaces) {
    this.#namespaces = namespaces
  }

  take(): NetnsHandle {
    const spare = this.#spare
    this.#spare = undefined
    this.#isWanted = true
    return spare ?? this.#make(false)
  }

  /**
   * What a namespace that has just been taken has of a resolver: its sockets, the caller's from now on, or
   * undefined. To be called for each, with whether it is to have a resolver.
   */
  takeResolver(netns: NetnsHandle, isWanted: boolean): readonly number[] | undefined {
    this.#hasResolver = isWanted
    const sockets = netns instanceof StockPlace ? netns.takeSockets() : undefined
    if (sockets === undefined || isWanted) return sockets
    for (const fd of sockets) close(fd)
    this.#namespaces.enter(netns.fd, () => {
      this.lingering.with((socket, deletes) => {
        deletes()
        replaceResolverTable(socket, undefined)
      })
    })
    return undefined
  }

  /** Whether it has been made for the change that has taken it, and goes if that fails. */
  isNew(netns: NetnsHandle): boolean {
    return netns instanceof StockPlace
  }

  /** To be called when there is nothing else to do. */
  refill(): void {
    if (!this.#isWanted || this.#isClosed) return
    this.#isWanted = false
    try {
      this.#spare = this.#make(this.#hasResolver)
    } catch {
      // The next caller that needs one will be told why there is none.
    }
  }

  /** From now on nothing is made in advance. */
  close(): void {
    this.#isClosed = true
    this.#spare?.close()
    this.#spare = undefined
    this.lingering.close()
  }

  #make(hasResolver: boolean): StockPlace {
    return this.#namespaces.make(() => {
      const { fd, socket } = ownNetns()
      const netns = new StockPlace(fd, socket)
      try {
        netns.socket.request(setLink('lo', { up: true }))
        if (hasResolver) netns.prepareResolver(this.lingering)
        return netns
      } catch (error) {
        netns.close()
        throw error
      }
    })
  }
}

/** A namespace of the pool, perhaps with the sockets of a resolver that is not taken yet. */
class StockPlace extends NetnsHandle {
  #sockets: readonly number[] | undefined

  /** To be called inside. */
  prepareResolver(lingering: Lingering): void {
    const { ports, descriptors } = openResolverSockets(RESOLVER_ADDRESS)
    this.#sockets = descriptors
    lingering.with((socket) => makeResolverTable(socket, ports))
  }

  takeSockets(): readonly number[] | undefined {
    const sockets = this.#sockets
    this.#sockets = undefined
    return sockets
  }

  override close(): void {
    for (const fd of this.takeSockets() ?? []) close(fd)
    super.close()
  }
}
