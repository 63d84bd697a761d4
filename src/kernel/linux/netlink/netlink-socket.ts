import { isKernelError, KernelError } from '../../../base/errors.ts'
import { errnoName } from '../ffi/errno.ts'
import { faultDue, injectedFault } from '../ffi/fault.ts'
import { close, dup3 } from '../ffi/file.ts'
import * as ffi from '../ffi/socket.ts'
import type { Codec } from './codec.ts'
import {
  forEachMessage,
  type Header,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  readStatus,
  statusError,
  writeMessage,
} from './message.ts'
import { batchBrackets } from './netfilter.ts'
import { openNetlink, SOL_NETLINK } from './open-netlink.ts'
import { traceError, traceMessage } from './trace.ts'
import { Writer } from './writer.ts'

export const NETLINK_ROUTE = 0
export const NETLINK_SOCK_DIAG = 4
export const NETLINK_NETFILTER = 12

const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_DROP_MEMBERSHIP = 2

// The kernel fills parts of a dump up to 32 KiB if the receiver has room for them.
const DATAGRAM = 64 << 10
const DUMP_ATTEMPTS = 20
const LIMITED_ATTEMPTS = 3
// As much as one call of `receive` takes, so that a flood can't keep it from returning.
const RECEIVE_DATAGRAMS = 256

/** One message of several that the kernel refused. */
export interface Failure {
  /** Its place in what was sent; undefined: the transaction as a whole. */
  readonly index: number | undefined
  readonly error: KernelError
  /** The attribute the kernel points at, as its place in the message's body. */
  readonly offset?: number
}

/** For a namespace that others fill and change as they like: no dump of it may take long. */
export interface DumpLimits {
  /** So many objects are read, and the rest is left. */
  readonly most: number
  /** A new socket of that namespace, in place of one that would go on with a dump. */
  reopen(): number
}

type Visit = (header: Header, buffer: Buffer, start: number, end: number) => void

/** What a multicast group told. */
export interface Notification {
  readonly header: Header
  readonly body: Buffer
}

/**
 * A netlink socket of the network namespace the calling thread is in. The kernel executes requests
 * inside `send`, so nothing here waits and nothing is asynchronous. Use it on one thread only.
 */
export class NetlinkSocket {
  readonly fd: number
  // Not from 1: a socket that was handed over by another process must not take old answers for its own.
  #sequence = (Math.random() * 0x7fffffff) >>> 0
  #closed = false
  /** Some notifications were lost, and the kernel may still be dropping more. */
  #isBehind = false
  readonly #limits: DumpLimits | undefined
  #isCut = false

  /** A new one, or one that another process has opened and handed over, without what it was still told. */
  constructor(
    protocol:
      | typeof NETLINK_ROUTE
      | typeof NETLINK_SOCK_DIAG
      | typeof NETLINK_NETFILTER
      | { readonly fd: number },
    limits?: DumpLimits,
  ) {
    this.#limits = limits
    if (typeof protocol === 'object') {
      this.fd = protocol.fd
      this.#receiveUntil(
        () => false,
        () => {},
      )
      return
    }
    this.fd = openNetlink(protocol, protocol === NETLINK_ROUTE)
  }

  /** Asks the kernel to change something; a KernelError with its own words if it refuses. */
  request(message: Message): void {
    const [failure] = this.requestAll([message])
    if (failure !== undefined) throw failure.error
  }

  /**
   * Sends changes all at once and answers with those the kernel refused, in order. It carries on
   * behind one that it refused: nothing but the caller undoes the others. A failure without a place,
   * the last: answers got lost, so that any of the rest may have been refused, too.
   */
  requestAll(messages: readonly Message[]): readonly Failure[] {
    const failures: Failure[] = []
    const sent: number[] = []
    for (const [index, { operation, target }] of messages.entries()) {
      if (faultDue()) failures.push({ index, error: injectedFault(operation, target) })
      else sent.push(index)
    }
    if (sent.length === 0) return failures
    const first = this.#sequence + 1
    const last = sent.length - 1
    // Errors are told of every message; the one acknowledgement says that all have been dealt with.
    this.#send(
      sent.map((index) => messages[index]!),
      (place) => (place === last ? NLM_F_ACK : 0),
    )
    let answered = false
    const lost = this.#receiveUntil(
      () => answered,
      (header, buffer, start, end) => {
        const place = (header.sequence - first) | 0
        if (header.type !== NLMSG_ERROR || place < 0 || place > last) return
        const index = sent[place]!
        const failure = this.#failure(messages[index]!, index, header, buffer, start, end)
        if (failure !== undefined) failures.push(failure)
        if (place === last) answered = true
      },
    )
    failures.sort((a, b) => a.index! - b.index!)
    if (lost !== undefined) failures.push({ index: undefined, error: lost })
    else if (!answered) {
      failures.push({ index: undefined, error: noAnswer(messages[sent[last]!]!) })
    }
    return failures
  }

  /**
   * One transaction of a netfilter subsystem (NFNL_SUBSYS_…): all or nothing. Answers with the
   * messages that were refused; with none, it is done. `generation`: refused with ERESTART, as a whole, if
   * that transaction isn't the last before it.
   */
  batch(subsystem: number, messages: readonly Message[], generation?: number): readonly Failure[] {
    if (messages.length === 0) return []
    const { begin, end } = batchBrackets(subsystem, generation)
    if (faultDue()) {
      const { operation, target } = messages[0]!
      return [{ index: 0, error: injectedFault(operation, target) }]
    }
    const all = [begin, ...messages, end]
    const first = this.#sequence + 1
    this.#send(all, (place) => (place === messages.length ? NLM_F_ACK : 0))
    const failures: Failure[] = []
    let answers = 0
    // To the last one: a commit that fails is told besides the acknowledgement.
    for (;;) {
      const arrived = this.#receive((header, buffer, start, stop) => {
        const place = (header.sequence - first) | 0
        if (header.type !== NLMSG_ERROR || place < 0 || place >= all.length) return
        answers += 1
        const index = place === 0 || place > messages.length ? undefined : place - 1
        const failure = this.#failure(all[place]!, index, header, buffer, start, stop)
        if (failure !== undefined) failures.push(failure)
      })
      if (!arrived) break
    }
    if (answers === 0) throw noAnswer(begin)
    return failures
  }

  /** Returns when a transaction that another process may be committing is done, and told of. */
  awaitTransaction(subsystem: number): void {
    const { begin, end } = batchBrackets(subsystem)
    // The kernel does one after the other, even one with nothing in it.
    this.#send([begin, end], () => 0)
  }

  /** Asks for one object. */
  get<T>(message: Message, codec: Pick<Codec<T>, 'read'>): T {
    const [answer] = this.#ask(message, 0, codec)
    if (answer === undefined) throw noAnswer(message)
    return answer
  }

  /** Whether a dump since the last call was not whole, or changed again and again: for one with limits. */
  takeCut(): boolean {
    const isCut = this.#isCut
    this.#isCut = false
    return isCut
  }

  /** Asks for all objects of a kind; asks again when they changed meanwhile. */
  dump<T>(message: Message, codec: Pick<Codec<T>, 'read'>): T[] {
    return this.#ask(message, NLM_F_DUMP, codec)
  }

  /** From now on `receive` gives what this multicast group (RTNLGRP_…, NFNLGRP_…) tells. */
  join(group: number): void {
    joinGroup(this.fd, group)
  }

  /**
   * What has arrived, without waiting. `overrun`: the kernel had to drop some, so what is known must
   * be read anew. A socket that joined a group is for nothing else.
   *
   * Behind a loss the kernel goes on dropping, and doesn't say so again, until the socket is empty. So
   * `overrun` is said again each time, up to the one that empties it.
   */
  receive(): { readonly notifications: readonly Notification[]; readonly overrun: boolean } {
    const notifications: Notification[] = []
    let overrun = this.#isBehind
    for (let count = 0; count < RECEIVE_DATAGRAMS; count++) {
      try {
        const arrived = this.#receive((header, buffer, start, end) => {
          if (header.type === NLMSG_NOOP || header.type === NLMSG_DONE) return
          notifications.push({ header, body: Buffer.from(buffer.subarray(start, end)) })
        })
        if (!arrived) {
          this.#isBehind = false
          break
        }
      } catch (error) {
        if (!isKernelError(error, 'ENOBUFS')) throw error
        this.#isBehind = overrun = true
      }
    }
    return { notifications, overrun }
  }

  /** The kernel's number of this socket, among those of its protocol and namespace. */
  get portId(): number {
    return ffi.netlinkPortId(this.fd)
  }

  /** The kernel's own name of the namespace this socket belongs to, decimal. */
  namespaceCookie(): string {
    return ffi.namespaceCookie(this.fd)
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    close(this.fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #ask<T>(message: Message, flags: number, codec: Pick<Codec<T>, 'read'>): T[] {
    const attempts = this.#limits === undefined ? DUMP_ATTEMPTS : LIMITED_ATTEMPTS
    for (let attempt = 1; ; attempt++) {
      const { answers, again } = this.#askOnce(message, flags, codec)
      if (!again) return answers
      if (attempt < attempts) continue
      this.#isCut = true
      if (this.#limits !== undefined) return answers
      throw new KernelError(message.operation, 'EAGAIN', {
        message: `what was asked for kept changing, ${attempts} times`,
      })
    }
  }

  /** `again`: the answer has to be asked for again. */
  #askOnce<T>(
    message: Message,
    flags: number,
    codec: Pick<Codec<T>, 'read'>,
  ): { readonly answers: T[]; readonly again: boolean } {
    const { most = Number.POSITIVE_INFINITY } = this.#limits ?? {}
    this.#send([message], () => flags)
    const sequence = this.#sequence
    const answers: T[] = []
    let failure: unknown
    let again = false
    let done = false
    while (!done) {
      if (answers.length > most) return this.#cut(answers.slice(0, most))
      try {
        const arrived = this.#receive((header, buffer, start, end) => {
          if (header.sequence !== sequence) return
          if ((header.flags & NLM_F_DUMP_INTR) !== 0) again = true
          if (header.type === NLMSG_DONE || header.type === NLMSG_ERROR) {
            done = true
            const refused = this.#failure(message, 0, header, buffer, start, end)
            if (refused !== undefined) throw refused.error
          } else {
            done = flags === 0
            answers.push(codec.read(buffer, start, end))
          }
        })
        if (!arrived) {
          if (!again) failure ??= noAnswer(message)
          done = true
        }
      } catch (error) {
        // The rest of a dump must be taken off the socket, or the next one meets EBUSY.
        if (isKernelError(error, 'ENOBUFS')) again = true
        else failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return { answers, again }
  }

  /** The rest of a dump goes with the socket. */
  #cut<T>(answers: T[]): { readonly answers: T[]; readonly again: boolean } {
    this.#isCut = true
    const fresh = this.#limits!.reopen()
    dup3(fresh, this.fd)
    close(fresh)
    return { answers, again: false }
  }

  #send(messages: readonly Message[], flags: (place: number) => number): void {
    outgoing.truncate(0)
    for (const [place, message] of messages.entries()) {
      this.#sequence = (this.#sequence + 1) >>> 0
      writeMessage(outgoing, message, flags(place), this.#sequence)
      traceMessage(message, this.#sequence)
    }
    ffi.send(this.fd, outgoing.buffer, outgoing.length)
  }

  /** Takes what there is, also behind a gap. Answers with the first error of receiving it. */
  #receiveUntil(isDone: () => boolean, visit: Visit): KernelError | undefined {
    let lost: KernelError | undefined
    while (!isDone()) {
      try {
        if (!this.#receive(visit)) break
      } catch (error) {
        if (!isKernelError(error)) throw error
        lost ??= error
        if (error.errno !== 'ENOBUFS') break
      }
    }
    return lost
  }

  /** Visits the messages of one datagram; false if there was none, ENOBUFS if some got lost. */
  #receive(visit: Visit): boolean {
    const buffer = spare ?? Buffer.allocUnsafeSlow(DATAGRAM)
    // A caller that uses a socket while visiting gets a buffer of its own.
    spare = undefined
    try {
      const length = ffi.recv(this.fd, buffer)
      if (length === undefined) return false
      if (length > buffer.length) {
        spare = Buffer.allocUnsafeSlow(length * 2)
        throw new KernelError('recv', 'ENOBUFS', { message: `a datagram of ${length} bytes` })
      }
      forEachMessage(buffer, length, (header, start, end) => visit(header, buffer, start, end))
      return true
    } finally {
      spare ??= buffer
    }
  }

  #failure(
    message: Message,
    index: number | undefined,
    header: Header,
    buffer: Buffer,
    start: number,
    end: number,
  ): Failure | undefined {
    const status = readStatus(header, buffer, start, end)
    if (status.errno === 0) return undefined
    const error = statusError(message, status, errnoName(status.errno))
    traceError(error, header.sequence)
    const { offset } = status
    return { index, error, ...(offset === undefined ? {} : { offset }) }
  }
}

/** For a socket that another thread may be listening on. */
export function joinGroup(fd: number, group: number): void {
  ffi.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
}

export function leaveGroup(fd: number, group: number): void {
  ffi.setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, group)
}

const outgoing = new Writer(DATAGRAM)
let spare: Buffer | undefined

function noAnswer(message: Message): KernelError {
  return new KernelError(message.operation, 'ENODATA', { message: 'the kernel gave no answer' })
}
