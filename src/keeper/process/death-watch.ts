import { Ends, namespaceOf } from '../../kernel/linux/service/index.ts'

/** Whenever something is mounted or unmounted, all paths are looked at: not more often than so. */
const LOOK_EVERY_MS = 200

/** Notices that namespaces of sandboxes are gone, which the sockets in them keep from really going. */
export class DeathWatch {
  readonly #ends: Ends
  #gone = new Set<number>()

  constructor(epoll: number) {
    this.#ends = new Ends(epoll, (id) => this.#gone.add(id), LOOK_EVERY_MS)
  }

  /** Waits for the path not to lead to the namespace of that socket any more. */
  watch(id: number, path: string, socket: number): void {
    this.#ends.await({ id, path, identity: namespaceOf(socket) })
  }

  forget(id: number): void {
    this.#ends.forget(id)
    this.#gone.delete(id)
  }

  ready(fd: number): void {
    this.#ends.ready(fd)
  }

  /** Answers in how many milliseconds it has to be called again; -1: when something is ready. */
  step(): number {
    const wait = this.#ends.step()
    return this.#gone.size > 0 ? 0 : wait
  }

  /** Those that are gone, since last time. */
  take(): ReadonlySet<number> {
    const gone = this.#gone
    if (gone.size > 0) this.#gone = new Set()
    return gone
  }
}
