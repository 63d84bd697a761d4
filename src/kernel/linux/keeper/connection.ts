import {
  encodeFrame,
  FrameReader,
  type KeeperReply,
  type KeeperRequest,
  MOST_DESCRIPTORS,
} from '../../../keeper/keeper.ts'
import { close } from '../ffi/file.ts'
import { POLLIN, POLLOUT, waitFor } from '../ffi/poll.ts'
import { receiveWithDescriptors, sendWithDescriptors } from '../ffi/unix-socket.ts'

/** One that takes nothing for so long, though its socket is full, isn't waited for any more. */
const PATIENCE_MS = 1000
const PART_BYTES = 64 << 10

/**
 * The control connection to the keeper, for a thread that may wait, but never for ever. Nothing here
 * throws: a connection that can't be used any more is closed, and that is to be seen.
 */
export class Connection {
  readonly #fd: number
  readonly #reader = new FrameReader()
  readonly #part = Buffer.allocUnsafeSlow(PART_BYTES)
  #replies: KeeperReply[] = []
  #descriptors: number[] = []
  #isOpen = true

  /** Of a connected socket; it is closed here. */
  constructor(fd: number) {
    this.#fd = fd
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Sends a message, and duplicates of descriptors with it. */
  send(request: KeeperRequest, descriptors: readonly number[] = []): void {
    if (!this.#isOpen) return
    try {
      if (!sendAll(this.#fd, encodeFrame(request), descriptors)) this.close()
    } catch {
      this.close()
    }
  }

  /** The next reply; undefined: there is none before `deadline` (as performance.now() counts). */
  receive(deadline: number): KeeperReply | undefined {
    while (this.#replies.length === 0) {
      const rest = Math.max(0, deadline - performance.now())
      if (!this.#isOpen || !waitFor(this.#fd, POLLIN, rest)) return undefined
      this.#read()
    }
    return this.#replies.shift()
  }

  /** Descriptors that came with replies, in their order; the caller's from now on. */
  takeDescriptors(count: number): readonly number[] {
    return this.#descriptors.splice(0, count)
  }

  /** Whether the other end was closed before `deadline`. */
  waitForEnd(deadline: number): boolean {
    while (this.#isOpen) if (this.receive(deadline) === undefined) break
    return !this.#isOpen
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    close(this.#fd)
    for (const fd of this.#descriptors.splice(0)) close(fd)
  }

  #read(): void {
    try {
      const received = receiveWithDescriptors(this.#fd, this.#part, { wait: false })
      if (received === undefined) return
      const { length, descriptors } = received
      this.#descriptors.push(...descriptors)
      if (length === 0) {
        this.close()
        return
      }
      const bytes = Buffer.from(this.#part.subarray(0, length))
      this.#replies.push(...(this.#reader.push(bytes) as KeeperReply[]))
    } catch {
      this.close()
    }
  }
}

/** false: nothing was taken for too long. */
function sendAll(fd: number, frame: Buffer, descriptors: readonly number[]): boolean {
  let rest = descriptors
  for (let sent = 0; sent < frame.length; ) {
    const these = rest.slice(0, MOST_DESCRIPTORS)
    // More than go with one part: a byte is enough to carry them.
    const end = rest.length > these.length ? sent + 1 : frame.length
    const taken = sendWithDescriptors(fd, frame.subarray(sent, end), these, { wait: false })
    if (taken !== undefined) {
      sent += taken
      rest = rest.slice(these.length)
    } else if (!waitFor(fd, POLLOUT, PATIENCE_MS)) return false
  }
  return true
}
