import { KeyedQueue } from '../../base/keyed-queue.ts'
import { Taken } from './taken.ts'
import { type Reaction, Touched } from './touched.ts'
import type { SharedStep, Step, Transactions } from './transaction.ts'

/** What is to be changed, and in whose turn. */
export interface Order {
  /** In words, for messages: `connecting sandbox "api" to network "web"`. */
  readonly what: string
  /**
   * What must be under no other change meanwhile. A function is asked again when it is its turn: if the answer
   * is another one by then, those are waited for.
   */
  readonly keys: readonly string[] | (() => readonly string[])
  readonly signal?: AbortSignal | undefined
}

/**
 * How it is changed: *gather* takes what is needed, *plan* says what that comes to, and that is recorded, done and
 * recorded again, or everything is as it was. `Parts` is what both may use; there is no way in it to make
 * another change, which would wait for its turn, perhaps for ever.
 */
export interface Work<Parts, Gathered, Result> {
  /**
   * Finds what it is about, and takes addresses, ports and what plug-ins answer. What was true before it was its
   * turn is asked again here.
   */
  gather(parts: Parts, taken: Taken): Promise<Gathered> | Gathered
  /** Takes what may have to be another the next time. */
  choose?(gathered: Gathered, parts: Parts, taken: Taken): Promise<Gathered> | Gathered
  /** The machine has refused: whether the choice is to be another one. May throw a better error. */
  again?(error: unknown, gathered: Gathered): boolean
  /** Pure. `shared`: asked when it is its turn at what all networks share. */
  plan(gathered: Gathered, parts: Parts): Plan<Result>
  readonly shared?: true
}

type Unnamed<S> = Omit<S, 'what' | 'signal'>

/** What a change comes to. */
export interface Plan<Result> {
  /** Absent: there is nothing to do. */
  readonly step?: Unnamed<Step> | Unnamed<SharedStep>
  /** true: it only takes away; what others have damaged doesn't keep it from that. */
  readonly isTeardown?: boolean
  /** Takes it into the model: it is true, and recorded. */
  settle(touched: Touched): Promise<Result> | Result
}

/**
 * The only way in which anything is changed. Keys are taken here and nowhere else, and given back before
 * anything reacts to what has changed.
 */
export class Changes<Parts extends { readonly onProblem: (problem: unknown) => void }> {
  /** For recovery, whose turns are of several steps. */
  readonly transactions: Transactions
  readonly #parts: Parts
  readonly #queue = new KeyedQueue()
  readonly #reactions: Reaction[] = []
  /** Changes with all that follows from them. */
  readonly #pending = new Set<Promise<unknown>>()

  constructor(parts: Parts, transactions: Transactions) {
    this.#parts = parts
    this.transactions = transactions
  }

  /** Called after every change, one after the other, without any keys. */
  onTouched(reaction: Reaction): void {
    this.#reactions.push(reaction)
  }

  /** Makes a change, and waits for what reacts to it. */
  async change<G, R>(order: Order, work: Work<Parts, G, R>): Promise<R> {
    const touched = new Touched()
    const make = async () => {
      try {
        return await this.#inTurn(order, () => this.#make(order, work, touched))
      } finally {
        await this.#react(touched)
      }
    }
    return this.track(make())
  }

  /** For recovery: its turn, without a plan. */
  turn<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.track(this.#queue.run(keys, work))
  }

  /** For recovery: after everything that waits by now, before everything that comes later. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.track(this.#queue.runAlone(work))
  }

  /** Closing waits for this work, with all that follows from it. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work)
    try {
      return await work
    } finally {
      this.#pending.delete(work)
    }
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await this.#queue.idle()
    while (this.#pending.size > 0) {
      await Promise.allSettled(this.#pending)
      await this.#queue.idle()
    }
  }

  async #inTurn<T>({ keys, signal }: Order, work: () => Promise<T>): Promise<T> {
    if (typeof keys !== 'function') return this.#queue.run(keys, work, signal)
    for (;;) {
      const now = keys()
      const inTurn = async () => (isEqual(now, keys()) ? { result: await work() } : undefined)
      const done = await this.#queue.run(now, inTurn, signal)
      if (done !== undefined) return done.result
    }
  }

  async #make<G, R>(order: Order, work: Work<Parts, G, R>, touched: Touched): Promise<R> {
    if (this.transactions.failure !== undefined) throw this.transactions.failure
    const taken = this.#taken(touched)
    let plan: Plan<R>
    try {
      plan = await this.#attempts(order, work, await work.gather(this.#parts, taken), touched)
    } catch (error) {
      await taken.giveBack()
      throw error
    }
    return plan.settle(touched)
  }

  async #attempts<G, R>(
    order: Order,
    work: Work<Parts, G, R>,
    gathered: G,
    touched: Touched,
  ): Promise<Plan<R>> {
    for (;;) {
      const taken = this.#taken(touched)
      try {
        const chosen = work.choose ? await work.choose(gathered, this.#parts, taken) : gathered
        return await this.#do(order, work, () => work.plan(chosen, this.#parts))
      } catch (error) {
        await taken.giveBack()
        if (!work.again?.(error, gathered)) throw error
      }
    }
  }

  async #do<G, R>(
    { what, signal }: Order,
    { shared }: Work<Parts, G, R>,
    make: () => Plan<R>,
  ): Promise<Plan<R>> {
    const named = <S>(step: S) => ({ ...step, what, ...(signal ? { signal } : {}) })
    if (shared) {
      let plan: Plan<R> | undefined
      await this.transactions.performShared(() => {
        plan = make()
        return plan.step && named(plan.step as Unnamed<SharedStep>)
      })
      return plan!
    }
    const plan = make()
    if (plan.step === undefined) return plan
    if (plan.isTeardown) await this.transactions.performTeardown(named(plan.step))
    else await this.transactions.perform(named(plan.step))
    return plan
  }

  #taken(touched: Touched): Taken {
    return new Taken(touched, this.#parts.onProblem)
  }

  async #react(touched: Touched): Promise<void> {
    for (const reaction of this.#reactions) {
      try {
        await reaction(touched)
      } catch (error) {
        this.#parts.onProblem(error)
      }
    }
  }
}

function isEqual(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((key, at) => key === others[at])
}
