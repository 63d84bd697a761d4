import { Ends, namespaceOf } from '../../kernel/linux/service/index.ts'

/** Whenever something is mounted or unmounted, all paths are looked at: not more often than so. */
const LOOK_EVERY_MS = 200
/** A sandbox whose deleting fails is put back, at its path as well: so long it may have been away. */
const AWAY_MS = 200

type Watched = Parameters<Ends['await']>[0]

/** Notices that namespaces of sandboxes are gone, which the sockets in them keep from really going. */
export class NetnsExitWatcher {
  readonly #ends: Ends
  readonly #watched = new Map<number, Watched>()
  /** Since when they have been away. */
  readonly #away = new Map<number, number>()
  /** Looked for again: who isn't there now is gone. */
  readonly #again = new Set<number>()
  #gone = new Set<number>()

  constructor(epoll: number) {
    this.#ends = new Ends(epoll, (id) => this.#ended(id), LOOK_EVERY_MS)
  }

  /** Waits for the path not to lead to the namespace of that socket any more. */
  watch(id: number, path: string, socket: number): void {
    const watched = { id, path, identity: namespaceOf(socket) }
    this.#watched.set(id, watched)
    this.#ends.await(watched)
  }

  forget(id: number): void {
    this.#ends.forget(id)
    this.#watched.delete(id)
    this.#away.delete(id)
    this.#gone.delete(id)
  }

  ready(fd: number): void {
    this.#ends.ready(fd)
  }

  /** Answers in how many milliseconds it has to be called again; -1: when something is ready. */
  step(): number {
    const wait = this.#ends.step()
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const [id, since] of [...this.#away]) {
      const left = since + AWAY_MS - now
      if (left > 0) next = Math.min(next, left)
      else this.#lookAgain(id)
    }
    if (this.#gone.size > 0) return 0
    if (next === Number.POSITIVE_INFINITY) return wait
    return wait < 0 ? Math.ceil(next) : Math.min(wait, Math.ceil(next))
  }

  /** Those that are gone, since last time. */
  take(): ReadonlySet<number> {
    const gone = this.#gone
    if (gone.size > 0) this.#gone = new Set()
    return gone
  }

  #ended(id: number): void {
    if (this.#again.has(id)) this.#gone.add(id)
    else this.#away.set(id, performance.now())
  }

  /** What is there again is waited for as before; what isn't is told at once. */
  #lookAgain(id: number): void {
    this.#away.delete(id)
    const watched = this.#watched.get(id)
    if (watched === undefined) return
    this.#again.add(id)
    this.#ends.await(watched)
    this.#again.delete(id)
  }
}
