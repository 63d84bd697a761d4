import { createServer, type Socket } from 'node:net'
import { familyOf } from '../../../address/address.ts'
import type { RelayResource } from '../../../kernel/kept-resource.ts'
import { tcpSocketOn } from '../node-sockets.ts'
import type { Relay, RelaySupport } from './relay.ts'

/** Passes on bytes both ways, and the end of each way, for every connection to a listening socket. */
export class TcpRelay implements Relay {
  readonly #support: RelaySupport
  /** Both ends of all connections. */
  readonly #ends = new Set<Socket>()
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
    this.#accept(client),
  )
  #to: RelayResource['to']

  constructor(fd: number, { to }: RelayResource, support: RelaySupport) {
    this.#to = to
    this.#support = support
    // Too few descriptors to accept a connection: the next may have more luck.
    this.#server.on('error', () => {})
    this.#server.listen({ fd })
  }

  get to(): RelayResource['to'] {
    return this.#to
  }

  redirect(to: RelayResource['to']): void {
    this.#to = to
    for (const socket of this.#ends) reset(socket)
  }

  end(): void {
    this.#server.close()
    for (const socket of this.#ends) reset(socket)
  }

  #accept(client: Socket): void {
    if (!this.#support.slots.take()) {
      reset(client)
      return
    }
    const connection = new Set<Socket>()
    this.#hold(client, connection)
    try {
      this.#connect(client, connection)
    } catch {
      reset(client)
    }
  }

  #connect(client: Socket, connection: Set<Socket>): void {
    const { address: host, port } = this.#to
    const fd = this.#support.openClient('tcp', familyOf(host))
    const target = tcpSocketOn(fd, { allowHalfOpen: true })
    this.#hold(target, connection)
    pass(client, target)
    pass(target, client)
    target.setNoDelay().connect({ host, port })
  }

  /** A connection keeps its slot until both ends are closed. */
  #hold(socket: Socket, connection: Set<Socket>): void {
    const holders = [this.#ends, connection]
    for (const holder of holders) holder.add(socket)
    socket.once('close', () => {
      for (const holder of holders) holder.delete(socket)
      if (connection.size === 0) this.#support.slots.give()
    })
    // It closes afterwards, and that is all there is to know.
    socket.on('error', () => {}).unref()
  }
}

/** One way of a connection. When its source is cut off, and not at its end, so is the other. */
function pass(from: Socket, to: Socket): void {
  from.pipe(to)
  from.once('close', (hadError) => {
    if (hadError || !from.readableEnded) reset(to)
  })
}

/** Ends a connection at once, with whatever has not been sent yet. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  // Node can't after an end.
  if (socket.writableEnded) socket.destroy()
  else if (socket.connecting) giveUp(socket)
  else socket.resetAndDestroy()
}

/**
 * Node would wait for a connection to come about before it resets it, and that may take minutes. One that
 * has come about, and isn't told of yet, is told of in the next turn; closed before that, it would be
 * at its end for the other side, and not cut off.
 */
function giveUp(socket: Socket): void {
  socket.once('connect', () => socket.resetAndDestroy())
  // The first comes before that turn, the second behind it.
  setImmediate(() => setImmediate(() => socket.connecting && socket.destroy()))
}
