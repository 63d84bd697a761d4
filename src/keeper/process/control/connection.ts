import { isKernelError } from '../../../base/errors.ts'
import {
  close,
  EPOLLIN,
  EPOLLOUT,
  epollAdd,
  epollChange,
  receiveWithDescriptors,
  sendWithDescriptors,
} from '../../../kernel/linux/service/index.ts'
import { encodeFrame, FrameReader, type KeeperReply, MOST_DESCRIPTORS } from '../../keeper.ts'
import type { FdBackoff } from '../fd-backoff.ts'

/** So much of one connection is read before others have their turn. */
const MOST_READS = 16
const buffer = Buffer.alloc(64 * 1024)
/** Errors of sending after which it isn't read any more. */
const ended = ['EPIPE', 'ECONNRESET', 'ENOTCONN']

/** A message with the descriptors that came with it: the receiver's. */
export interface Incoming {
  readonly message: unknown
  readonly descriptors: readonly number[]
}

/** A connection to the keeper's socket, in the loop. Nothing here ever waits. */
export class Connection {
  readonly fd: number
  readonly #epoll: number
  readonly #backoff: FdBackoff
  readonly #reader = new FrameReader()
  /** Came with parts of a message that isn't there as a whole yet. */
  #descriptors: number[] = []
  #unsent: Piece[] = []
  #toClose: number[] = []
  #waitsForRoom = false
  #isClosed = false
  /** All that came, as long as it is unknown what kind of connection it is. */
  #received: Buffer[] | undefined = []

  constructor(epoll: number, backoff: FdBackoff, fd: number) {
    this.#epoll = epoll
    this.#backoff = backoff
    this.fd = fd
    epollAdd(epoll, fd, EPOLLIN)
  }

  /** Whether all that was to be sent is on its way. */
  get isIdle(): boolean {
    return this.#unsent.length === 0
  }

  /**
   * What has come; undefined: the other end is closed. Throws where nothing that makes sense has come.
   */
  read(): readonly Incoming[] | undefined {
    const incoming: Incoming[] = []
    try {
      for (let reads = 0; reads < MOST_READS; reads++) {
        const received = receiveWithDescriptors(this.fd, buffer, { wait: false })
        if (received === undefined) break
        if (received.length === 0) return incoming.length > 0 ? incoming : undefined
        const bytes = Buffer.from(buffer.subarray(0, received.length))
        incoming.push(...this.#messagesOf(bytes, received.descriptors))
      }
      return incoming
    } catch (error) {
      for (const { descriptors } of incoming) for (const fd of descriptors) close(fd)
      throw error
    }
  }

  /**
   * What the kernel gives at once ends where something ends that came with descriptors. So these belong
   * to whatever the last byte belongs to.
   */
  #messagesOf(bytes: Buffer, descriptors: readonly number[]): Incoming[] {
    this.#received?.push(bytes)
    const before = this.#descriptors
    this.#descriptors = [...before, ...descriptors]
    const messages = this.#reader.push(bytes)
    if (messages.length === 0) return []
    const rest = this.#reader.isEmpty ? [] : descriptors
    this.#descriptors = [...rest]
    return messages.map((message, index) => {
      const first = index === 0 ? before : []
      const last = index === messages.length - 1 && rest.length === 0 ? descriptors : []
      return { message, descriptors: [...first, ...last] }
    })
  }

  /** From now on what comes is not remembered. */
  settle(): void {
    this.#received = undefined
  }

  /** Gives the connection away, with all that has come. */
  giveAway(): { readonly fd: number; readonly received: Buffer } {
    this.#backoff.remove(this.fd)
    return { fd: this.fd, received: Buffer.concat(this.#received ?? []) }
  }

  /** Whether the other end is closed is noticed when reading. */
  send(reply: KeeperReply, descriptors: readonly number[] = []): void {
    if (this.#isClosed) return
    this.#unsent.push(...piecesOf(encodeFrame(reply), descriptors))
    if (!this.#waitsForRoom) this.flush()
  }

  /** Closes these as soon as nothing that is to be sent refers to them. */
  closeLater(descriptors: readonly number[]): void {
    this.#toClose.push(...descriptors)
    if (this.isIdle) this.#closeUnused()
  }

  /** There may be room again. */
  flush(): void {
    try {
      this.#sendAll()
    } catch (error) {
      if (!isKernelError(error)) throw error
      // Too many descriptors are on their way (ETOOMANYREFS), or there is no memory.
      this.#waitsForRoom = true
      this.#backoff.begin(this.fd, EPOLLIN | EPOLLOUT)
      return
    }
    if (this.isIdle) this.#closeUnused()
    if (this.isIdle !== this.#waitsForRoom) return
    this.#waitsForRoom = !this.isIdle
    epollChange(this.#epoll, this.fd, this.#waitsForRoom ? EPOLLIN | EPOLLOUT : EPOLLIN)
  }

  /** As much as there is room for. */
  #sendAll(): void {
    for (;;) {
      const piece = this.#unsent[0]
      const sent = piece && this.#send(piece)
      if (piece === undefined || sent === undefined) return
      if (sent === piece.bytes.length) this.#unsent.shift()
      else this.#unsent[0] = { bytes: piece.bytes.subarray(sent), descriptors: [] }
    }
  }

  /** undefined: there is no room. */
  #send({ bytes, descriptors }: Piece): number | undefined {
    try {
      return sendWithDescriptors(this.fd, bytes, descriptors, { wait: false })
    } catch (error) {
      if (!ended.some((errno) => isKernelError(error, errno))) throw error
      return bytes.length
    }
  }

  close(): void {
    this.#isClosed = true
    this.#backoff.remove(this.fd)
    close(this.fd)
    for (const fd of this.#descriptors.splice(0)) close(fd)
    this.#closeUnused()
  }

  #closeUnused(): void {
    for (const fd of this.#toClose.splice(0)) close(fd)
  }
}

interface Piece {
  readonly bytes: Buffer
  readonly descriptors: readonly number[]
}

/** A message in parts with no more descriptors than go with one. */
function piecesOf(frame: Buffer, descriptors: readonly number[]): Piece[] {
  const pieces: Piece[] = []
  let rest = descriptors
  let at = 0
  // A descriptor goes with a byte at least; no frame has as few as there are pieces.
  for (; rest.length > MOST_DESCRIPTORS; at++) {
    const bytes = frame.subarray(at, at + 1)
    pieces.push({ bytes, descriptors: rest.slice(0, MOST_DESCRIPTORS) })
    rest = rest.slice(MOST_DESCRIPTORS)
  }
  pieces.push({ bytes: frame.subarray(at), descriptors: rest })
  return pieces
}
