import type { Socket } from 'node:net'
import type { Turns } from './turns.ts'

const IDLE_MS = 10_000
/** So many queries of one connection wait for an answer, and so many bytes of answers to be read. */
const MOST_WAITING = 32
const MOST_UNREAD_BYTES = 128 * 1024
const LENGTH_BYTES = 2
/** No question is longer. */
const MOST_QUERY_BYTES = 4096

/** Answers a query, at once or later; undefined: it was none. */
export type Answer = (query: Buffer) => Buffer | undefined | Promise<Buffer>

/** A client that asks over TCP: one query after the other, or many at once. */
export class TcpConnection {
  readonly #socket: Socket
  readonly #answer: Answer
  readonly #turns: Turns
  /** What has come of the next query: its length first. */
  #bytes: Buffer = Buffer.alloc(0)
  /** So many queries are being answered by others. */
  #waiting = 0
  #hasEnded = false
  /** It goes on when it is its turn. */
  #hasToWait = false

  /** `turns`: it shares them with others that belong to the same sandbox. */
  constructor(socket: Socket, answer: Answer, turns: Turns, onClose: () => void) {
    this.#socket = socket
    this.#answer = answer
    this.#turns = turns
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    socket.on('data', (bytes) => this.#receive(bytes))
    socket.on('drain', () => this.#go())
    // It may have asked before, and waits for the answers.
    socket.on('end', () => {
      this.#hasEnded = true
      this.#go()
    })
    // It closes afterwards, and that is all there is to know.
    socket.on('error', () => {})
    socket.on('close', onClose)
  }

  end(): void {
    this.#socket.destroy()
  }

  get #isFull(): boolean {
    return this.#waiting >= MOST_WAITING || this.#socket.writableLength >= MOST_UNREAD_BYTES
  }

  #receive(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    this.#go()
  }

  /** Answers what there is. */
  #go(): void {
    while (!this.#isFull && !this.#hasToWait && !this.#socket.destroyed) {
      const query = this.#take()
      if (query === undefined) break
      const answer = this.#answer(query)
      if (answer instanceof Promise) this.#wait(answer)
      else if (answer !== undefined) this.#send(answer)
    }
    if (this.#isFull || this.#hasToWait) this.#socket.pause()
    else if (this.#socket.isPaused()) this.#socket.resume()
    const isBusy = this.#waiting > 0 || this.#isFull || this.#hasToWait
    if (this.#hasEnded && !isBusy) this.#socket.end()
  }

  /** `answer` never fails. */
  #wait(answer: Promise<Buffer>): void {
    this.#waiting += 1
    void answer.then((bytes) => {
      this.#waiting -= 1
      if (this.#socket.destroyed) return
      this.#send(bytes)
      this.#go()
    })
  }

  #send(answer: Buffer): void {
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(answer.length)
    this.#socket.write(Buffer.concat([length, answer]))
  }

  /** The next query, if it is there as a whole. */
  #take(): Buffer | undefined {
    if (this.#bytes.length < LENGTH_BYTES) return undefined
    const end = LENGTH_BYTES + this.#bytes.readUInt16BE()
    if (end > LENGTH_BYTES + MOST_QUERY_BYTES) {
      this.end()
      return undefined
    }
    if (this.#bytes.length < end || !this.#mayTake()) return undefined
    const query = this.#bytes.subarray(LENGTH_BYTES, end)
    this.#bytes = this.#bytes.subarray(end)
    return query
  }

  #mayTake(): boolean {
    this.#hasToWait = !this.#turns.take(() => {
      this.#hasToWait = false
      this.#go()
    })
    return !this.#hasToWait
  }
}
