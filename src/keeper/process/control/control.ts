import { isKernelError } from '../../../base/errors.ts'
import { close } from '../../../kernel/linux/service/index.ts'
import { KEEPER_VERSION, type KeeperReply, type KeeperRequest } from '../../keeper.ts'
import type { Change, Kept } from '../kept.ts'
import type { Connection, Incoming } from './connection.ts'
import { asRequest, numberOf } from './requests.ts'

/** What the control connection can bring about in the loop. */
export interface ControlTarget {
  readonly kept: Kept
  /**
   * Does what has no fault; `onDone`: when all have heard of it. Throws a KernelError where nothing
   * of it could be done.
   */
  change(change: Change, descriptors: readonly number[], onDone: () => void): void
  /** The keeper has been told to end. */
  end(): void
}

/** Descriptors that are kept for the engine, by their labels. */
export class Held {
  readonly #held = new Map<string, readonly number[]>()

  /** Answers with those it had under that label: they are the caller's now. */
  set(label: string, descriptors: readonly number[]): readonly number[] {
    const before = this.#held.get(label) ?? []
    if (descriptors.length > 0) this.#held.set(label, descriptors)
    else this.#held.delete(label)
    return before
  }

  get counts(): readonly { readonly label: string; readonly count: number }[] {
    return [...this.#held].map(([label, { length: count }]) => ({ label, count }))
  }

  get descriptors(): readonly number[] {
    return [...this.#held.values()].flat()
  }
}

/** A connection on which an engine says what is to be kept. */
export class Control {
  readonly connection: Connection
  readonly #target: ControlTarget
  readonly #held: Held
  readonly #onHello: () => void
  /** In the order of the requests; undefined: not known yet. */
  #replies: { reply: KeeperReply | undefined }[] = []
  /** Said hello, and speaks our language: undefined is not yet, false is a stranger. */
  #agrees: boolean | undefined

  /** `onHello`: it is the one that counts from now on. */
  constructor(connection: Connection, target: ControlTarget, held: Held, onHello: () => void) {
    this.connection = connection
    this.#target = target
    this.#held = held
    this.#onHello = onHello
  }

  /** Whether everything it was asked has been answered. */
  get isSettled(): boolean {
    return this.#replies.length === 0 && this.connection.isIdle
  }

  receive({ message, descriptors }: Incoming): void {
    const request = asRequest(message)
    const fault = this.#fault(request, descriptors)
    if (request === undefined || fault !== undefined) {
      for (const fd of descriptors) close(fd)
      this.#reply({ number: numberOf(message), error: fault ?? 'this is no request' })
      return
    }
    this.#obey(request, descriptors)
  }

  #fault(request: KeeperRequest | undefined, descriptors: readonly number[]): string | undefined {
    if (request === undefined) return undefined
    const { op } = request
    if (op !== 'hello' && this.#agrees === undefined) return 'the first request is hello'
    if (op !== 'hello' && this.#agrees === false) {
      return `this keeper speaks version ${KEEPER_VERSION}`
    }
    if (op === 'change') return this.#target.kept.fault(request, descriptors)
    if (op === 'hold' || descriptors.length === 0) return undefined
    return `${descriptors.length} descriptors came with ${op}`
  }

  #obey(request: KeeperRequest, descriptors: readonly number[]): void {
    const { number } = request
    switch (request.op) {
      case 'hello':
        this.#hello(number, request.version)
        break
      case 'change':
        this.#change(number, request, descriptors)
        break
      case 'hold':
        this.connection.closeLater(this.#held.set(request.label, descriptors))
        this.#reply({ number })
        break
      case 'end':
        this.#reply({ number })
        this.#target.end()
    }
  }

  #change(number: number, change: Change, descriptors: readonly number[]): void {
    const slot: { reply: KeeperReply | undefined } = { reply: undefined }
    this.#replies.push(slot)
    const done = (reply: KeeperReply) => {
      slot.reply = reply
      this.#sendReplies()
    }
    try {
      this.#target.change(change, descriptors, () => done({ number }))
    } catch (error) {
      if (!isKernelError(error)) throw error
      for (const fd of descriptors) close(fd)
      done({ number, error: error.message })
    }
  }

  #hello(number: number, version: number): void {
    this.#agrees = version === KEEPER_VERSION
    if (!this.#agrees) {
      this.#reply({ number, version: KEEPER_VERSION })
      return
    }
    this.#onHello()
    const { resources } = this.#target.kept
    const about = { version: KEEPER_VERSION, pid: process.pid, resources }
    const reply = { number, ...about, held: this.#held.counts }
    this.connection.send(reply, this.#held.descriptors)
  }

  #reply(reply: KeeperReply): void {
    this.#replies.push({ reply })
    this.#sendReplies()
  }

  /** In order. */
  #sendReplies(): void {
    for (;;) {
      const reply = this.#replies[0]?.reply
      if (reply === undefined) return
      this.#replies.shift()
      this.connection.send(reply)
    }
  }
}
