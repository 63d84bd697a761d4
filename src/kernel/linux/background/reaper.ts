import { isKernelError } from '../../../base/errors.ts'
import { close } from '../ffi/file.ts'
import { interfaceName } from '../ffi/interface.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { Doomed, DoomedNamespace } from '../operations.ts'
import { DYING_GROUP } from '../ours.ts'
import { deleteLinkGroup, setLink } from '../rtnetlink/link.ts'

// While the kernel deletes, everybody else's request waits for it. So few at once keep that short.
const LINKS_AT_ONCE = 20
const NAMESPACES_AT_ONCE = 16
const LOOK_AGAIN_MS = 1
/** Somebody's socket keeps a namespace: its links are deleted one by one instead of with it. */
const PATIENCE_MS = 500

/** Namespaces that the kernel is collecting. */
interface Collection {
  readonly count: number
  readonly links: Set<number>
  readonly since: number
}

/** Deletes what has no effect any more, in steps; the next begins when the one before is really gone. */
export class Reaper {
  readonly #socket: NetlinkSocket
  readonly #onDeleted: (count: number) => void
  readonly #links: number[] = []
  readonly #namespaces: DoomedNamespace[] = []
  #collection: Collection | undefined

  /** The socket is one of the host's namespace, where the links are. */
  constructor(socket: NetlinkSocket, onDeleted: (count: number) => void) {
    this.#socket = socket
    this.#onDeleted = onDeleted
  }

  add({ links, namespaces }: Doomed): void {
    this.#links.push(...links)
    this.#namespaces.push(...namespaces)
  }

  /** Does the next step. Answers in how many milliseconds there is more to do; -1: nothing. */
  step(): number {
    if (this.#collection !== undefined && !this.#isCollected(this.#collection)) {
      return LOOK_AGAIN_MS
    }
    if (this.#namespaces.length > 0) this.#collect(this.#namespaces.splice(0, NAMESPACES_AT_ONCE))
    else if (this.#links.length > 0) this.#deleteLinks(this.#links.splice(0, LINKS_AT_ONCE))
    if (this.#collection !== undefined) return LOOK_AGAIN_MS
    return this.#links.length + this.#namespaces.length > 0 ? 0 : -1
  }

  /** Lets go of all namespaces at once: nobody waits any longer. */
  abandon(): void {
    for (const { fd } of this.#namespaces.splice(0)) close(fd)
  }

  #collect(namespaces: readonly DoomedNamespace[]): void {
    for (const { fd } of namespaces) close(fd)
    this.#collection = {
      count: namespaces.length,
      links: new Set(namespaces.flatMap(({ links }) => links)),
      since: performance.now(),
    }
  }

  #isCollected({ count, links, since }: Collection): boolean {
    for (const index of links) {
      if (interfaceName(this.#socket.fd, index) === undefined) links.delete(index)
    }
    if (links.size > 0 && performance.now() - since < PATIENCE_MS) return false
    this.#links.push(...links)
    this.#collection = undefined
    // What is left of them is reported when it is gone, too.
    this.#onDeleted(count - links.size)
    return true
  }

  /** Equivalent to: `ip link set … group …` for each, `ip link delete group …`. */
  #deleteLinks(indexes: readonly number[]): void {
    this.#socket.requestAll(indexes.map((index) => setLink(index, { group: DYING_GROUP })))
    try {
      this.#socket.request(deleteLinkGroup(DYING_GROUP))
    } catch (error) {
      // They may all have gone by themselves, with their namespaces. Any other failure leaves them in
      // their group, where the next engine finds them.
      if (!isKernelError(error)) throw error
    }
    this.#onDeleted(indexes.length)
  }
}
