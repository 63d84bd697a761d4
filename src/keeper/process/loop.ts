import { isKernelError } from '../../base/errors.ts'
import {
  EPOLLIN,
  epollAdd,
  epollCreate,
  epollWait,
  setReceiveRoom,
} from '../../kernel/linux/service/index.ts'
import { Backlog } from './control/backlog.ts'
import { Connections } from './control/connections.ts'
import type { EndpointSockets, LoopOptions, LoopOrder } from './control/messages.ts'
import { FdBackoff } from './fd-backoff.ts'
import { type Change, type Difference, endpointSocketsOf, Kept } from './kept.ts'
import { Lifetime } from './lifetime.ts'
import { MainLine } from './main-line.ts'
import { NetnsExitWatcher } from './netns-exit-watcher.ts'
import { PathIdentity } from './path-identity.ts'
import { Answering, type ResolverEndpoint } from './resolver/answering.ts'
import { QueryLog } from './resolver/query-log.ts'

/** While something else is done, so many bytes of queries of a sandbox may wait. */
const RECEIVE_BYTES = 512 * 1024

/**
 * The thread that answers: it sleeps in epoll_wait, and does what has become possible. It has no event
 * loop; what takes time is done by the main thread.
 */
export class Loop {
  readonly kept = new Kept()
  readonly #epoll = epollCreate()
  readonly #wakeFd: number
  readonly #log = new QueryLog()
  readonly #answering: Answering
  readonly #watch = new NetnsExitWatcher(this.#epoll)
  readonly #backoff = new FdBackoff(this.#epoll)
  readonly #line: MainLine
  readonly #connections: Connections
  readonly #lifetime: Lifetime
  /** By their sockets. */
  readonly #endpoints = new Map<number, ResolverEndpoint>()
  /** How many connections for events there are. */
  #listeners = 0
  #ends = false
  #isOver = false

  constructor(options: LoopOptions) {
    const { wakeFd, listenFd, socket, stays, taken } = options
    this.#wakeFd = wakeFd
    this.#line = new MainLine(options)
    this.#answering = new Answering(this.#log, new Backlog(taken))
    epollAdd(this.#epoll, wakeFd, EPOLLIN)
    this.#connections = new Connections(this.#epoll, this.#backoff, listenFd, this)
    const identity = new PathIdentity(socket)
    this.#lifetime = new Lifetime(() => identity.isSame(), stays)
  }

  /** Until it is over. */
  run(): void {
    while (!this.#isOver) {
      const ready = epollWait(this.#epoll, this.#step())
      // First: nothing has been closed yet, and so all these descriptors mean what they meant.
      for (const { fd } of ready) this.#watch.ready(fd)
      for (const { fd } of ready) this.#ready(fd)
      const queries = this.#answering.takeForwarded()
      if (queries.length > 0) this.#line.report({ type: 'forward', queries })
      this.#bury()
      this.#line.finish()
      if (this.#ends && this.#connections.isSettled) this.#isOver = true
    }
  }

  /** For the control connection: see ControlTarget. */
  change(change: Change, descriptors: readonly number[], onDone: () => void): void {
    this.#admit(endpointSocketsOf(change, descriptors))
    this.#serve(this.kept.change(change, descriptors), [], onDone)
  }

  end(): void {
    this.#ends = true
  }

  giveEvents(fd: number, received: Uint8Array): void {
    this.#line.report({ type: 'events', fd, received })
  }

  tellProblem(message: string): void {
    this.#line.report({ type: 'problem', message })
  }

  /** Does what it is time for. Answers for how many milliseconds there is nothing to do; -1: for ever. */
  #step(): number {
    const connected = this.#listeners + this.#connections.count > 0
    // Whether it is needed is a long list to look through, and doesn't matter most of the time.
    const left = this.#lifetime.step({ connected, needed: connected || this.kept.isNeeded })
    if (left === 0) this.#isOver = true
    return soonest(
      left,
      this.#watch.step(),
      this.#backoff.step(),
      this.#line.step(this.#answering, this.#log),
    )
  }

  #ready(fd: number): void {
    const endpoint = this.#endpoints.get(fd)
    if (endpoint !== undefined)
      fd === endpoint.udp ? this.#answer(endpoint) : this.#handOver(endpoint, fd)
    else if (fd === this.#wakeFd) for (const order of this.#line.orders()) this.#obey(order)
    else this.#connections.ready(fd)
  }

  #answer(endpoint: ResolverEndpoint): void {
    try {
      this.#answering.serve(endpoint)
    } catch (error) {
      const who = endpoint.sandbox === undefined ? 'the zone' : `sandbox ${endpoint.sandbox}`
      this.tellProblem(`the resolver of ${who} has failed: ${error}`)
      // It would be ready again at once. All others go on.
      if (isKernelError(error)) this.#backoff.begin(endpoint.udp, EPOLLIN)
    }
  }

  /** A client wants to connect. */
  #handOver(endpoint: ResolverEndpoint, tcp: number): void {
    endpoint.tcp = undefined
    this.#forget(tcp)
    this.#line.report({ type: 'connect', endpoint: endpoint.id, fd: tcp })
  }

  #obey(order: LoopOrder): void {
    switch (order.type) {
      case 'done':
        this.#line.done(order.token)
        break
      case 'interest':
        this.#listeners = order.connections
        this.#answering.logs = order.log
        break
      case 'stop':
        this.#isOver = true
    }
  }

  /** Takes away what was in namespaces that are gone. */
  #bury(): void {
    const gone = this.#watch.take()
    if (gone.size === 0) return
    const remove = this.kept.keysOf(gone)
    this.#serve(this.kept.change({ remove, add: [] }, []), remove, () => {})
  }

  /** Waits for what comes at these sockets, or (it throws) at none of them. */
  #admit(sockets: readonly EndpointSockets[]): void {
    const admitted: number[] = []
    try {
      for (const { udp, tcp } of sockets) {
        setReceiveRoom(udp, RECEIVE_BYTES)
        for (const fd of [udp, tcp]) {
          epollAdd(this.#epoll, fd, EPOLLIN)
          admitted.push(fd)
        }
      }
    } catch (error) {
      for (const fd of admitted) this.#backoff.remove(fd)
      throw error
    }
  }

  /** The sockets of what is opened have been admitted. */
  #serve(difference: Difference, gone: readonly string[], onDone: () => void): void {
    for (const endpoint of difference.closed) {
      this.#watch.forget(endpoint.id)
      this.#answering.forget(endpoint)
      this.#forget(endpoint.udp)
      if (endpoint.tcp !== undefined) this.#forget(endpoint.tcp)
    }
    for (const { endpoint, resource } of difference.opened) {
      this.#endpoints.set(endpoint.udp, endpoint)
      if (endpoint.tcp !== undefined) this.#endpoints.set(endpoint.tcp, endpoint)
      if (resource.kind !== 'resolver') continue
      this.#watch.watch(endpoint.id, resource.namespace.path, endpoint.udp)
    }
    this.#line.change(difference, gone, onDone)
  }

  /** Nothing is waited for at that socket any more. */
  #forget(fd: number): void {
    if (this.#endpoints.delete(fd)) this.#backoff.remove(fd)
  }
}

/** The shortest of some waits, of which -1 is the longest. */
function soonest(...waits: readonly number[]): number {
  return waits.reduce((a, b) => (a < 0 || (b >= 0 && b < a) ? b : a), -1)
}
