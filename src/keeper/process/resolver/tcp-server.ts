import { createServer, type Socket } from 'node:net'
import { type Answer, TcpConnection } from './tcp-connection.ts'
import { Turns } from './turns.ts'

/** For connections: how many there may be. */
interface TcpPlaces {
  /** false: there is none. */
  take(): boolean
  give(): void
}

/** DNS over TCP, at a listening socket, as RFC 7766 has it. */
export class TcpServer {
  readonly #answer: Answer
  readonly #places: TcpPlaces
  readonly #turns = new Turns()
  readonly #connections = new Set<TcpConnection>()
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    this.#accept(socket),
  )

  /** `onError`: one couldn't be accepted. */
  constructor(fd: number, answer: Answer, places: TcpPlaces, onError: (error: Error) => void) {
    this.#answer = answer
    this.#places = places
    this.#server.on('error', onError)
    this.#server.listen({ fd })
  }

  /** At once. */
  end(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.end()
  }

  #accept(socket: Socket): void {
    if (!this.#places.take()) {
      socket.on('error', () => {}).resetAndDestroy()
      return
    }
    const connection = new TcpConnection(socket, this.#answer, this.#turns, () => {
      this.#connections.delete(connection)
      this.#places.give()
    })
    this.#connections.add(connection)
  }
}
