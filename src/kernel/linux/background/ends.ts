import { statSync } from 'node:fs'
import { isKernelError } from '../../../base/errors.ts'
import { close, O_RDONLY, open } from '../ffi/file.ts'
import { pidfdOpen } from '../ffi/namespace.ts'
import { EPOLLIN, EPOLLONESHOT, epollAdd, epollChange, epollDelete } from '../ffi/wait.ts'
import { identityOf } from '../namespaces/namespace.ts'

// Mounts come and go in crowds, and each time all paths are looked at. That takes a twentieth of the time,
// unless there would be no look for too long then: a busy machine makes one look seem long.
const LOOK_EVERY_MS = 20
const MOST_LOOKING = 1 / 20
const LONGEST_PAUSE_MS = 1000
const POLL_EVERY_MS = 1000
const EPOLLPRI = 2
/** Told once, until the paths have been looked at. */
const MOUNTS_CHANGED = EPOLLPRI | EPOLLONESHOT

interface Watched {
  readonly id: number
  readonly path: string
  readonly identity: string
}

/**
 * Waits for the end of namespaces: of the process whose they are, or of the mount at their path. It
 * keeps nothing of them open, so it doesn't keep them alive.
 */
export class Ends {
  readonly #epoll: number
  readonly #onEnd: (id: number) => void
  readonly #lookEveryMs: number
  readonly #processes = new Map<number, Watched>()
  readonly #mounts = new Map<number, Watched>()
  #mountTable: number | undefined
  #lookAt = Number.POSITIVE_INFINITY
  #lookTookMs = 0
  #polls = false

  constructor(epoll: number, onEnd: (id: number) => void, lookEveryMs = LOOK_EVERY_MS) {
    this.#epoll = epoll
    this.#onEnd = onEnd
    this.#lookEveryMs = lookEveryMs
  }

  await(watched: Watched): void {
    const pid = /^\/proc\/(\d+)\/ns\/net$/.exec(watched.path)?.[1]
    if (pid === undefined) this.#awaitMount(watched)
    else this.#awaitProcess(watched, Number(pid))
  }

  forget(id: number): void {
    this.#mounts.delete(id)
    for (const [pidfd, watched] of this.#processes) {
      if (watched.id === id) this.#closeProcess(pidfd)
    }
  }

  /** Told of every descriptor that is ready. */
  ready(fd: number): void {
    if (fd === this.#mountTable) {
      const rest = Math.min(this.#lookTookMs / MOST_LOOKING, LONGEST_PAUSE_MS)
      const pause = Math.max(this.#lookEveryMs, rest)
      this.#lookAt = Math.min(this.#lookAt, performance.now() + pause)
    }
    const watched = this.#processes.get(fd)
    if (watched === undefined) return
    this.#closeProcess(fd)
    this.#onEnd(watched.id)
  }

  /** Looks if it is time to. Answers in how many milliseconds it will be; -1: not before something happens. */
  step(): number {
    const wait = this.#lookAt - performance.now()
    if (wait === Number.POSITIVE_INFINITY) return -1
    if (wait > 0) return Math.ceil(wait)
    this.#lookAt = Number.POSITIVE_INFINITY
    this.#look()
    if (!this.#polls || this.#mounts.size === 0) return -1
    this.#lookAt = performance.now() + POLL_EVERY_MS
    return POLL_EVERY_MS
  }

  #look(): void {
    const begin = performance.now()
    if (this.#mountTable !== undefined) epollChange(this.#epoll, this.#mountTable, MOUNTS_CHANGED)
    for (const watched of this.#mounts.values()) {
      if (isThere(watched)) continue
      this.#mounts.delete(watched.id)
      this.#onEnd(watched.id)
    }
    this.#lookTookMs = performance.now() - begin
  }

  #awaitProcess(watched: Watched, pid: number): void {
    let pidfd: number
    try {
      pidfd = pidfdOpen(pid)
    } catch (error) {
      if (!isKernelError(error)) throw error
      if (error.errno === 'ESRCH') this.#onEnd(watched.id)
      else this.#poll(watched)
      return
    }
    if (!isThere(watched)) {
      close(pidfd)
      this.#onEnd(watched.id)
    } else if (this.#add(pidfd, EPOLLIN)) this.#processes.set(pidfd, watched)
    else {
      close(pidfd)
      this.#poll(watched)
    }
  }

  /** false: the kernel has no room for one more to wait for. */
  #add(fd: number, mask: number): boolean {
    try {
      epollAdd(this.#epoll, fd, mask)
      return true
    } catch (error) {
      if (!isKernelError(error)) throw error
      return false
    }
  }

  /** Without a descriptor to wait for: looks now and then. */
  #poll(watched: Watched): void {
    this.#mounts.set(watched.id, watched)
    this.#polls = true
    this.#lookAt = Math.min(this.#lookAt, performance.now() + POLL_EVERY_MS)
  }

  #closeProcess(pidfd: number): void {
    this.#processes.delete(pidfd)
    epollDelete(this.#epoll, pidfd)
    close(pidfd)
  }

  #awaitMount(watched: Watched): void {
    this.#mountTable ??= this.#openMountTable()
    if (!isThere(watched)) this.#onEnd(watched.id)
    else if (this.#mountTable === undefined) this.#poll(watched)
    else this.#mounts.set(watched.id, watched)
  }

  /** undefined: it can't be watched now. */
  #openMountTable(): number | undefined {
    let table: number
    try {
      table = open('/proc/thread-self/mountinfo', O_RDONLY)
    } catch (error) {
      if (!isKernelError(error)) throw error
      return undefined
    }
    if (this.#add(table, MOUNTS_CHANGED)) return table
    close(table)
    return undefined
  }
}

function isThere({ path, identity }: Watched): boolean {
  try {
    return identityOf(statSync(path)) === identity
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Any other failure says nothing about the namespace.
    return code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ESRCH'
  }
}
