import { isKernelError } from '../../../base/errors.ts'
import { DELETING_GROUP } from '../../link-groups.ts'
import { close } from '../ffi/file.ts'
import { interfaceName } from '../ffi/interface.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { isAlive } from '../ours.ts'
import { deleteLinkGroup, getLink, setLink } from '../rtnetlink/link.ts'
import type { Retired, RetiredNamespace } from '../thread/operations.ts'

// While the kernel deletes, all other requests wait for it: while it collects 16 namespaces for
// 3 ms, 64 for 12. As a run takes 40 ms however many they are, few at once is slow.
const LINKS_AT_ONCE = 20
const NAMESPACES_AT_ONCE = 64
const NAMESPACES_WITH_CARE = 16
const CAREFUL_MS = 100
/** To look more often would only take time from those who work: see above. */
const LOOK_AGAIN_MS = 5
/** A socket of another process keeps a namespace: its links are deleted one by one instead of with it. */
const PATIENCE_MS = 500

/** A namespace that the kernel is collecting. */
interface Collected {
  readonly links: readonly number[]
  readonly since: number
}

/**
 * Deletes what has no effect any more, a few things at a time. The kernel collects namespaces in runs:
 * what is let go during one is taken by the next. So there is always something for the next run.
 */
export class Reaper {
  readonly #socket: NetlinkSocket
  readonly #onDeleted: (count: number) => void
  readonly #links: number[] = []
  readonly #namespaces: RetiredNamespace[] = []
  #collected: Collected[] = []
  #carefulUntil = 0

  /** The socket is one of the host's namespace, where the links are. */
  constructor(socket: NetlinkSocket, onDeleted: (count: number) => void) {
    this.#socket = socket
    this.#onDeleted = onDeleted
  }

  add({ links, namespaces }: Retired): void {
    this.#links.push(...links)
    this.#namespaces.push(...namespaces)
  }

  /** Something is being made just now: its caller shall not have to wait long. */
  takeCare(): void {
    this.#carefulUntil = performance.now() + CAREFUL_MS
  }

  /** Does the next step. Answers in how many milliseconds there is more to do; -1: nothing. */
  step(): number {
    this.#collected = this.#collected.filter((namespace) => !this.#isGone(namespace))
    const careful = performance.now() < this.#carefulUntil
    const most = careful ? NAMESPACES_WITH_CARE : NAMESPACES_AT_ONCE
    const room = Math.max(0, most - this.#collected.length)
    for (const namespace of this.#namespaces.splice(0, room)) this.#collect(namespace)
    if (this.#links.length > 0) this.#deleteLinks(this.#links.splice(0, LINKS_AT_ONCE))
    if (this.#links.length > 0) return 0
    return this.#collected.length > 0 ? LOOK_AGAIN_MS : -1
  }

  /** Lets go of all namespaces at once: no caller waits any longer. */
  abandon(): void {
    for (const { fd } of this.#namespaces.splice(0)) close(fd)
  }

  #collect({ fd, links }: RetiredNamespace): void {
    close(fd)
    this.#collected.push({ links, since: performance.now() })
  }

  #isGone({ links, since }: Collected): boolean {
    const left = links.filter((index) => interfaceName(this.#socket.fd, index) !== undefined)
    if (left.length > 0 && performance.now() - since < PATIENCE_MS) return false
    this.#links.push(...left)
    // What is left of it is reported when it is gone, too.
    this.#onDeleted(1 - left.length)
    return true
  }

  /** Equivalent to: `ip link set … group …` for each, `ip link delete group …`. */
  #deleteLinks(indexes: readonly number[]): void {
    // An index may have come to mean another link since.
    const retired = indexes.filter((index) => this.#isRetired(index))
    this.#socket.requestAll(retired.map((index) => setLink(index, { group: DELETING_GROUP })))
    try {
      this.#socket.request(deleteLinkGroup(DELETING_GROUP))
    } catch (error) {
      // They may all have gone by themselves, with their namespaces. Any other failure leaves them in
      // their group, where the next engine finds them.
      if (!isKernelError(error)) throw error
    }
    this.#onDeleted(indexes.length)
  }

  #isRetired(index: number): boolean {
    try {
      return !isAlive(getLink(this.#socket, index))
    } catch (error) {
      if (isKernelError(error)) return false
      throw error
    }
  }
}
