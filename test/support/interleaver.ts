import { CnmError, KernelError } from '../../src/base/errors.ts'
import type { NetworkDriver } from '../../src/driver/driver.ts'
import type { DriverHooks } from '../../src/driver/hooks.ts'
import { hostElement } from '../../src/firewall/elements.ts'
import type { Change, Kernel } from '../../src/kernel/kernel.ts'
import { durableKinds, recordKey, type Store } from '../../src/store/store.ts'
import type { Chance } from './chance.ts'

interface Held {
  readonly what: string
  readonly release: () => void
  readonly fail?: () => void
  /** It is done, or as much of it as may be, and fails all the same. */
  readonly failLate?: () => void
}

/** Kinds of resources that a machine may refuse for a while. */
export const refusable = ['veth', 'bridge', 'element', 'address', 'reservation', 'table'] as const

/**
 * Holds every call that leaves the model (to the kernel, the store and the hooks of drivers), so that a test decides
 * in which order they go on, and which of them fail.
 */
export class Interleaver {
  /** What was held, in the order in which it went on; what failed has an exclamation mark. */
  readonly story: string[] = []
  readonly #chance: Chance
  readonly #held: Held[] = []
  #isOpen = true
  #failures = 0
  /** What the machine refuses until that is over. */
  #refused: string | undefined

  constructor(chance: Chance) {
    this.#chance = chance
  }

  /** How many calls have failed. */
  get failures(): number {
    return this.#failures
  }

  get isWaiting(): boolean {
    return this.#held.length > 0
  }

  /** From now on calls are held, or, with `open`, go on at once, those that are held first. */
  hold(): void {
    this.#isOpen = false
  }

  open(): void {
    this.#isOpen = true
    this.#refused = undefined
    for (const { release } of this.#held.splice(0)) release()
  }

  /** From now on the machine refuses changes of that kind of resource; undefined: none. */
  refuse(kind: (typeof refusable)[number] | undefined): void {
    this.#refused = kind
  }

  /** Lets one go on, or fail. */
  step(failsOnceIn: number): void {
    const [held] = this.#held.splice(this.#chance.below(this.#held.length), 1)
    if (held === undefined) return
    if (held.fail && failsOnceIn > 0 && this.#chance.once(failsOnceIn)) {
      this.#failures += 1
      const isLate = held.failLate !== undefined && this.#chance.once(2)
      this.story.push(`${held.what}!${isLate ? '!' : ''}`)
      if (isLate) held.failLate?.()
      else held.fail()
    } else {
      this.story.push(held.what)
      held.release()
    }
  }

  kernel(inner: Kernel): Kernel {
    const failed = () => new KernelError('injected', 'EIO')
    return {
      ...inner,
      apply: (change) =>
        this.#pass('apply', failed, async () => {
          if (this.#isRefused(change)) throw failed()
          await inner.apply(change)
        }),
      adopt: (target) => this.#pass('adopt', failed, () => inner.adopt(target)),
      compare: (resources) => this.#pass('compare', failed, () => inner.compare(resources)),
      view: () => this.#pass('view', failed, () => inner.view()),
      holders: (ports) => this.#pass('holders', failed, () => inner.holders(ports)),
      // The machine outlives the engine.
      close: async () => {},
    }
  }

  #isRefused({ add, remove }: Change): boolean {
    const isRefused = [...add, ...remove].some(({ kind }) => kind === this.#refused)
    if (isRefused) this.#failures += 1
    return isRefused
  }

  store(inner: Store): Store {
    const failed = () => new CnmError('STORE_UNAVAILABLE', 'injected')
    /** By record: the last commit that was called. They take effect in the order of the calls. */
    const last = new Map<string, Promise<unknown>>()
    const commit: Store['commit'] = async (writes) => {
      const keys = writes.map(({ kind, id }) => recordKey(kind, id))
      const before = Promise.allSettled(keys.map((key) => last.get(key)))
      const durable = writes.filter(({ kind }) => durableKinds.has(kind))
      const mine = this.#pass(
        'commit',
        failed,
        async () => {
          await before
          await inner.commit(writes)
        },
        // What is durable is written first, one after the other.
        durable.length === 0
          ? undefined
          : async () => {
              await before
              await inner.commit(durable)
            },
      )
      for (const key of keys) last.set(key, mine)
      return mine
    }
    return {
      load: () => inner.load(),
      lacks: (kind, ids) => inner.lacks(kind, ids),
      close: () => inner.close(),
      commit,
    }
  }

  /** That driver, with hooks that know what there is of it. */
  asked(inner: NetworkDriver, known: Set<string>): NetworkDriver {
    const failed = () => new CnmError('PLUGIN_FAILED', 'injected')
    // Its answer may get lost.
    const hook = (what: string, work: () => void, failure?: () => Error) =>
      this.#pass(what, failure, async () => work(), failure && (async () => work()))
    const come = (what: string, key: string) =>
      hook(
        what,
        () => {
          if (known.has(key)) throw new Error(`${what}: there is ${key} already`)
          known.add(key)
        },
        failed,
      )
    // What it has not heard, it is told again; what it refuses to take back would be its own problem.
    const unheard = () => new CnmError('PLUGIN_UNAVAILABLE', 'injected')
    const go = (what: string, key: string) => hook(what, () => void known.delete(key), unheard)
    const hooks: DriverHooks = {
      open: async () => {},
      withoutGateway: async () => [],
      createNetwork: ({ id }) => come('createNetwork', `network ${id}`),
      deleteNetwork: ({ id }) => go('deleteNetwork', `network ${id}`),
      createEndpoint: async (_, { id }) => {
        await come('createEndpoint', `endpoint ${id}`)
        return {}
      },
      deleteEndpoint: (_, { id }) => go('deleteEndpoint', `endpoint ${id}`),
      join: async (_, { id }) => {
        await come('join', `joined ${id}`)
        return { routes: [] }
      },
      leave: (_, { id }) => go('leave', `joined ${id}`),
      publish: async () => {},
      unpublish: async () => {},
      operInfo: async () => ({}),
    }
    return {
      ...inner,
      name: 'asked',
      hooks,
      // The host's links come and go, and with them what is wanted.
      describeNetwork: (network, view) => [
        ...inner.describeNetwork(network, view),
        ...view.links
          .filter(({ name }) => name.startsWith('eth'))
          .map(({ name }) =>
            hostElement('trusted', [name, `br-${network.id.slice(0, 10)}`], network.id),
          ),
      ],
    }
  }

  async #pass<T>(
    what: string,
    failure: (() => Error) | undefined,
    work: () => Promise<T>,
    part?: () => Promise<unknown>,
  ): Promise<T> {
    let isLate = false
    if (!this.#isOpen) {
      await new Promise<void>((resolve, reject) => {
        const fail = failure && (() => reject(failure()))
        const failLate = () => {
          isLate = true
          resolve()
        }
        const late = fail && part ? { failLate } : {}
        this.#held.push({ what, release: resolve, ...(fail ? { fail } : {}), ...late })
      })
    }
    if (!isLate || failure === undefined) return work()
    await part?.()
    throw failure()
  }
}
