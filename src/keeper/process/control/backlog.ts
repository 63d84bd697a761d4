import { FairSlots } from '../forward/fair-slots.ts'

/** Main takes some thousands in 100 ms, and no client should wait for longer because of others. */
const limits = { each: 512, all: 4096, reserve: 1024 }

/**
 * What the loop has given to the main thread, and that one hasn't come to yet. The loop is much faster: without a
 * limit, one that asks for more and more would fill the memory, and others would wait behind it.
 */
export class Backlog {
  /** Main counts here what it has come to: one number, shared by both threads, which starts again from 0. */
  readonly #taken: Int32Array
  readonly #slots = new FairSlots<number>(limits)
  /** Whose they are, in the order they were given. */
  #given: number[] = []
  /** So many of these have been taken. */
  #done = 0
  #seen = 0

  constructor(taken: Int32Array) {
    this.#taken = taken
  }

  /** Whether one more of that endpoint may be given. If so, it has to be. */
  add(endpoint: number): boolean {
    this.#follow()
    if (!this.#slots.take(endpoint)) return false
    this.#given.push(endpoint)
    return true
  }

  #follow(): void {
    const taken = Atomics.load(this.#taken, 0)
    for (; this.#seen !== taken; this.#seen = (this.#seen + 1) | 0) {
      this.#slots.give(this.#given[this.#done]!)
      this.#done += 1
    }
    if (this.#done < limits.all && this.#done < this.#given.length) return
    this.#given = this.#given.slice(this.#done)
    this.#done = 0
  }
}
