import type { KernelError } from '../../../base/errors.ts'
import type { NetnsHandle, NetnsHandles } from '../namespaces/netns-handle.ts'
import type { Message } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { Retired, RetiredNamespace } from '../thread/operations.ts'
import { about } from '../thread/wire-error.ts'

/** One message of several that are sent together. */
export interface Step {
  readonly message: Message
  /** Key of the resource it is for. */
  readonly key: string
  /** Called if the kernel has done it. */
  readonly done?: () => void
  /** Undoes it at a rollback, if the kernel has done it. */
  readonly undo?: () => void
  /** Puts back what it takes away, even if it failed: a later step may have taken it all the same. */
  readonly restore?: () => void
  /** Told if the kernel refuses; true: what was wanted is so all the same. */
  readonly refused?: (error: KernelError) => boolean
}

/** One change under way: what has been done so far, so that it can be undone. */
export class Transaction {
  readonly handles: NetnsHandles
  readonly #undo: (() => void)[] = []
  readonly #links = new Set<number>()
  readonly #namespaces: RetiredNamespace[] = []

  constructor(handles: NetnsHandles) {
    this.handles = handles
  }

  get host(): NetnsHandle {
    return this.handles.host
  }

  /** Runs at a rollback, before everything registered earlier. */
  onRollback(undo: () => void): void {
    this.#undo.push(undo)
  }

  /** Sends all steps at once; throws what the kernel says against the first that can't be. */
  send(socket: NetlinkSocket, steps: readonly Step[]): void {
    if (steps.length === 0) return
    const failures = socket.requestAll(steps.map(({ message }) => message))
    const errors = new Map(failures.map(({ index, error }) => [index, error]))
    let failure: unknown
    for (const [index, step] of steps.entries()) {
      try {
        this.#settle(step, errors.get(index))
      } catch (error) {
        // The others were sent all the same, and have to be undone.
        failure ??= about(error, step.key)
      }
    }
    // Where answers got lost, what may have been done has to be undone as well.
    failure ??= errors.get(undefined)
    if (failure !== undefined) throw failure
  }

  /** Whatever `work` throws is about this resource. */
  attempt<T>(key: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw about(error, key)
    }
  }

  /** What is without effect and has to be deleted by and by. */
  get retired(): Retired {
    return { links: [...this.#links], namespaces: this.#namespaces }
  }

  addRetiredLink(index: number): void {
    this.#links.add(index)
  }

  cancelRetiredLink(index: number): void {
    this.#links.delete(index)
  }

  addRetiredNamespace(namespace: RetiredNamespace): void {
    this.#namespaces.push(namespace)
  }

  cancelRetiredNamespace(namespace: RetiredNamespace): void {
    this.#namespaces.splice(this.#namespaces.indexOf(namespace), 1)
  }

  /** Undoes as much as can be undone: what can't has been changed by another process meanwhile. */
  rollback(): void {
    for (const undo of this.#undo.reverse()) {
      try {
        undo()
      } catch {
        // The error that led here is the one to be told.
      }
    }
    this.#undo.length = 0
  }

  #settle({ done, undo, restore, refused }: Step, error: KernelError | undefined): void {
    if (error === undefined) {
      const back = undo ?? restore
      if (back !== undefined) this.#undo.push(back)
      done?.()
    } else if (!refused?.(error)) {
      if (restore !== undefined) this.#undo.push(restore)
      throw error
    }
  }
}
