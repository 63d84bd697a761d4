import { createServer, type Socket } from 'node:net'
import { Slots } from './relays/slots.ts'
import { type Answer, TcpConnection } from './tcp-connection.ts'

const MOST_OF_ONE = 64

/** DNS over TCP, at a listening socket, as RFC 7766 has it. */
export class TcpServer {
  readonly #answer: Answer
  readonly #slots = new Slots(MOST_OF_ONE)
  readonly #allSlots: Slots
  readonly #connections = new Set<TcpConnection>()
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    this.#accept(socket),
  )

  /** `slots`: for connections to all servers together. `onError`: one couldn't be accepted. */
  constructor(fd: number, answer: Answer, slots: Slots, onError: (error: Error) => void) {
    this.#answer = answer
    this.#allSlots = slots
    this.#server.on('error', onError)
    this.#server.listen({ fd })
  }

  /** At once. */
  end(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.end()
  }

  #accept(socket: Socket): void {
    const taken = [this.#slots, this.#allSlots].filter((slots) => slots.take())
    const onClose = () => {
      for (const slots of taken) slots.give()
    }
    if (taken.length < 2) {
      onClose()
      socket.on('error', () => {}).resetAndDestroy()
      return
    }
    const connection = new TcpConnection(socket, this.#answer, () => {
      this.#connections.delete(connection)
      onClose()
    })
    this.#connections.add(connection)
  }
}
