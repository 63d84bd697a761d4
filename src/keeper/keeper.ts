import type { KeptResource } from '../kernel/kept-resource.ts'
import type { QueryEvent, ResolverCounters } from '../kernel/kernel.ts'

/**
 * The keeper: a small process beside the engine that outlives it and holds what must not blink, that
 * is resolvers and their sockets in the sandboxes, relays, and descriptors it knows by a label only. This
 * is what the two say to each other over a unix stream socket.
 *
 * A connection is one of two kinds. `control`: the engine's kernel thread, which asks one thing after
 * the other and gets one answer for each; descriptors go with it, both ways. There is one at a time,
 * and the newest counts. `events`: the engine's main thread; what the keeper tells by itself, without
 * descriptors.
 *
 * The keeper holds what it was given until it is told otherwise; the engine has all records, and hands
 * over what is missing. So the keeper reads no store and knows no model. When the control connection ends
 * without `end`, it goes on as long as there is a sandbox or a relay that needs it, and its socket is still at
 * its path.
 *
 * A keeper outlives the version of the engine that started it, and engines of later and earlier versions
 * talk to it. So this only ever grows: fields that a reader doesn't know are let be, and a request that a
 * keeper doesn't know is answered by an error, like one that it can't do.
 */

/**
 * Part of `hello`, both ways; those who don't agree don't talk, and leave each other alone. It stays as it is
 * while the rule above is kept.
 */
export const KEEPER_VERSION = 1

/** What the engine asks on the control connection. Numbers count up from 1. */
export type KeeperRequest =
  /** The first one. Answered with what the keeper holds. */
  | { readonly op: 'hello'; readonly number: number; readonly version: number }
  /** Makes the difference true: first what is removed, then what is added or takes another's place. */
  | {
      readonly op: 'change'
      readonly number: number
      /** Keys of resources (resourceKey). Of what isn't there: nothing. */
      readonly remove: readonly string[]
      readonly add: readonly KeptAddition[]
    }
  /**
   * Keeps the message's descriptors under that label, in place of those it had under it, which are closed;
   * without descriptors: keeps none any more.
   */
  | { readonly op: 'hold'; readonly number: number; readonly label: string }
  /** Ends the keeper, when this is answered. */
  | { readonly op: 'end'; readonly number: number }

export interface KeptAddition {
  readonly resource: KeptResource
  /**
   * So many of the message's descriptors are its own, in the order of the additions. A resolver and a
   * zone: a UDP socket and a listening TCP socket. A relay: its socket. Names: none. 0, where the keeper
   * has the resource already: it keeps the sockets it has, and only the rest is changed.
   */
  readonly sockets: number
}

/** One for each request. */
export type KeeperReply =
  | {
      readonly number: number
      /** Answer to `hello` only. */
      readonly version?: number
      /** Of the keeper's process. */
      readonly pid?: number
      readonly resources?: readonly KeptResource[]
      /** Labels of what it holds, with how many of this message's descriptors are duplicates of it. */
      readonly held?: readonly { readonly label: string; readonly count: number }[]
    }
  /** It couldn't: nothing of it was done. */
  | { readonly number: number; readonly error: string }

/** What the engine says on the events connection. The first message. */
export type KeeperInterest =
  | { readonly op: 'events'; readonly version: number }
  /** Whether it wants to be told each query. */
  | { readonly op: 'log'; readonly on: boolean }

/** What the keeper says there. */
export type KeeperEvent =
  | {
      readonly event: 'counters'
      readonly counters: readonly (readonly [sandbox: string, counters: ResolverCounters])[]
    }
  | { readonly event: 'queries'; readonly queries: readonly QueryEvent[] }
  | { readonly event: 'resolv-conf' }
  /** It has taken away that resource by itself: the namespace it was in is gone. */
  | { readonly event: 'gone'; readonly keys: readonly string[] }
  /** What went wrong, in a sentence; at most a few in a minute. */
  | { readonly event: 'problem'; readonly message: string }

/** What the keeper is told when it is started: the arguments of its command line, as one JSON text. */
export interface KeeperOptions {
  /** Its listening socket is descriptor 3, and bound to this path. */
  readonly socket: string
  /** The host's resolv.conf, which is followed. */
  readonly resolvConf: string
  /** It goes on though there is nothing to answer. */
  readonly stays?: boolean
}

/** No engine sends more in one message. */
const MOST_FRAME_BYTES = 256 * 1024 * 1024
/** The kernel passes on no more descriptors with one message (SCM_MAX_FD). */
export const MOST_DESCRIPTORS = 253

const HEADER_BYTES = 4

/** A message as it goes over: its length as a 32-bit number, least byte first, and JSON. */
export function encodeFrame(
  message: KeeperRequest | KeeperReply | KeeperInterest | KeeperEvent,
): Buffer {
  const text = JSON.stringify(message)
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length)
  frame.writeUInt32LE(length, 0)
  frame.write(text, HEADER_BYTES)
  return frame
}

/** Puts messages together from what comes. Throws if it is nothing that `encodeFrame` made. */
export class FrameReader {
  #waiting: Buffer[] = []
  #length = 0

  /** Whether all that came was whole messages. */
  get isEmpty(): boolean {
    return this.#length === 0
  }

  push(bytes: Buffer): unknown[] {
    this.#waiting.push(bytes)
    this.#length += bytes.length
    const messages: unknown[] = []
    for (;;) {
      const frame = this.#take()
      if (frame === undefined) return messages
      messages.push(JSON.parse(frame.toString()))
    }
  }

  /** The JSON of the first message, if it is there as a whole. */
  #take(): Buffer | undefined {
    if (this.#length < HEADER_BYTES) return undefined
    if (this.#waiting[0]!.length < HEADER_BYTES) this.#join()
    const length = this.#waiting[0]!.readUInt32LE(0)
    if (length > MOST_FRAME_BYTES) throw new Error(`a message of ${length} bytes`)
    if (this.#length < HEADER_BYTES + length) return undefined
    this.#join()
    const all = this.#waiting[0]!
    const rest = all.subarray(HEADER_BYTES + length)
    this.#waiting = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
    return all.subarray(HEADER_BYTES, HEADER_BYTES + length)
  }

  #join(): void {
    if (this.#waiting.length > 1) this.#waiting = [Buffer.concat(this.#waiting)]
  }
}
