import { NETLINK_NETFILTER, type NetlinkSocket } from '../netlink/netlink-socket.ts'
import { sandboxSocket } from './netns-handle.ts'

const LINGER_MS = 100

/**
 * Netfilter sockets by which something was deleted, of the calling thread. To close one makes that thread
 * wait until no packet can see any more what was: some 15 ms, or nothing if it is done later.
 */
export class Lingering {
  readonly #sockets = new Set<NetlinkSocket>()
  #timer: NodeJS.Timeout | undefined

  /** Works with a new socket of the sandbox's namespace the thread is in. `deletes` says what may be deleted. */
  with<T>(work: (socket: NetlinkSocket, deletes: () => void) => T): T {
    const socket = sandboxSocket(NETLINK_NETFILTER)
    let isSlow = false
    try {
      return work(socket, () => {
        isSlow = true
      })
    } finally {
      if (isSlow) this.#closeLater(socket)
      else socket.close()
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const socket of this.#sockets) socket.close()
    this.#sockets.clear()
  }

  #closeLater(socket: NetlinkSocket): void {
    this.#sockets.add(socket)
    this.#timer ??= setTimeout(() => this.close(), LINGER_MS).unref()
  }
}
