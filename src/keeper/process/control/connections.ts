import { isKernelError } from '../../../base/errors.ts'
import { accept, close, EPOLLIN, epollAdd } from '../../../kernel/linux/service/index.ts'
import type { FdBackoff } from '../fd-backoff.ts'
import { Connection, type Incoming } from './connection.ts'
import { Control, type ControlTarget, Held } from './control.ts'
import { asInterest } from './requests.ts'

interface ConnectionsTarget extends ControlTarget {
  /** A connection for events, with what has been read from it. */
  giveEvents(fd: number, received: Uint8Array): void
  tellProblem(message: string): void
}

/** All that are connected to the keeper's socket, but for those who want to be told events. */
export class Connections {
  readonly #epoll: number
  readonly #backoff: FdBackoff
  readonly #listenFd: number
  readonly #target: ConnectionsTarget
  readonly #held = new Held()
  /** Who hasn't said anything yet has no control. */
  readonly #open = new Map<number, { readonly connection: Connection; control?: Control }>()
  /** The one that counts. */
  #control: Control | undefined

  constructor(epoll: number, backoff: FdBackoff, listenFd: number, target: ConnectionsTarget) {
    this.#epoll = epoll
    this.#backoff = backoff
    this.#listenFd = listenFd
    this.#target = target
    epollAdd(epoll, listenFd, EPOLLIN)
  }

  get count(): number {
    return this.#open.size
  }

  /** Whether all requests have been answered. */
  get isSettled(): boolean {
    return [...this.#open.values()].every(({ control }) => control?.isSettled !== false)
  }

  /** That descriptor is ready, if it is one of these. */
  ready(fd: number): void {
    if (fd === this.#listenFd) this.#accept()
    const connection = this.#open.get(fd)?.connection
    if (connection === undefined) return
    connection.flush()
    this.#read(connection)
  }

  #accept(): void {
    try {
      const fd = accept(this.#listenFd)
      if (fd !== undefined) this.#add(fd)
    } catch (error) {
      if (!isKernelError(error)) throw error
      this.#target.tellProblem(`the keeper can't accept a connection: ${error.message}`)
      // It would be ready again at once.
      this.#backoff.begin(this.#listenFd, EPOLLIN)
    }
  }

  #add(fd: number): void {
    try {
      this.#open.set(fd, { connection: new Connection(this.#epoll, this.#backoff, fd) })
    } catch (error) {
      close(fd)
      throw error
    }
  }

  #read(connection: Connection): void {
    let incoming: readonly Incoming[] | undefined
    try {
      incoming = connection.read()
    } catch (error) {
      if (!isKernelError(error)) this.#target.tellProblem(nonsense(error))
      incoming = undefined
    }
    if (incoming === undefined) this.#drop(connection)
    else for (const each of incoming) this.#receive(connection, each)
  }

  #receive(connection: Connection, incoming: Incoming): void {
    const entry = this.#open.get(connection.fd)
    // It has been given away, or another one has taken its place.
    if (entry?.connection !== connection) {
      for (const fd of incoming.descriptors) close(fd)
      return
    }
    if (entry.control === undefined && asInterest(incoming.message) !== undefined) {
      for (const fd of incoming.descriptors) close(fd)
      this.#open.delete(connection.fd)
      const { fd, received } = connection.giveAway()
      this.#target.giveEvents(fd, received)
      return
    }
    if (entry.control === undefined) {
      connection.settle()
      const onHello = () => this.#takeControl(control)
      const control = new Control(connection, this.#target, this.#held, onHello)
      entry.control = control
    }
    entry.control.receive(incoming)
  }

  #takeControl(control: Control): void {
    if (this.#control === control) return
    if (this.#control !== undefined) this.#drop(this.#control.connection)
    this.#control = control
  }

  #drop(connection: Connection): void {
    if (this.#control?.connection === connection) this.#control = undefined
    this.#open.delete(connection.fd)
    connection.close()
  }
}

function nonsense(error: unknown): string {
  return `a client sent the keeper something that it can't read: ${error}`
}
