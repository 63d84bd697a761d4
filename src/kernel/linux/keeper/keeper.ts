import type { KeptAddition } from '../../../keeper/keeper.ts'
import type { KeptResource } from '../../kept-resource.ts'
import { resourceKey } from '../../resource.ts'
import { type Asked, KeeperLink } from './link.ts'
import { Mirror } from './mirror.ts'
import type { KeeperProgram } from './program.ts'

/** What the keeper was told to change. */
export interface ToldChange {
  readonly asked: Asked
  /** Endpoints whose names it is about. */
  readonly endpoints: readonly string[]
  /** What was kept under the keys it is about. */
  readonly before: Map<string, KeptResource | undefined>
}

/** What has become of what the keeper was asked, since this was last taken. */
export interface KeeperNews {
  /** Endpoints whose names were late, and are known now. */
  readonly known: readonly string[]
  readonly problems: readonly string[]
  readonly isUp: boolean
  /** Whether something it was asked has no answer yet. */
  readonly owes: boolean
}

/** One that has missed a long deadline is waited for no longer than that until it answers. */
const HASTE_MS = 100

/** The keeper, as the kernel thread knows it. */
export class Keeper {
  readonly mirror = new Mirror()
  readonly link: KeeperLink
  readonly #late = new Set<ToldChange>()
  /** In the order in which they were told, which is that of the answers. */
  readonly #unanswered = new Set<ToldChange>()
  /** No caller waits for that to go. With what is kept until then. */
  readonly #toDrop = new Map<string, KeptResource | undefined>()
  #isSlow = false
  #known: string[] = []
  #problems: string[] = []

  constructor(program: KeeperProgram) {
    this.link = new KeeperLink(program, {
      onGreeting: (kept) => {
        this.mirror.clear()
        for (const each of kept) this.mirror.set(resourceKey(each), each)
      },
      onLoss: () => {
        // The model hands it over to the next one.
        this.mirror.clear()
        this.#late.clear()
        this.#unanswered.clear()
        this.#toDrop.clear()
        this.#isSlow = false
      },
      onProblem: (message) => this.#problems.push(message),
    })
  }

  /** Tells it, with the sockets of what is added, one after the other. A lost one isn't told. */
  change(
    remove: readonly string[],
    add: readonly KeptAddition[],
    sockets: readonly number[] = [],
  ): ToldChange {
    const { link, mirror } = this
    this.flush()
    link.drain()
    const added = new Map(add.map(({ resource }) => [resourceKey(resource), resource]))
    const keys = [...new Set([...remove, ...added.keys()])]
    const before = new Map(keys.map((key) => [key, mirror.get(key)]))
    const endpoints = add.flatMap(({ resource }) => {
      return resource.kind === 'names' ? [resource.endpoint] : []
    })
    const asked = link.ask({ op: 'change', remove, add }, sockets, (error) => {
      this.#answered(change, error)
    })
    const change: ToldChange = { asked, endpoints, before }
    if (!link.isUp) return change
    this.#unanswered.add(change)
    for (const key of keys) mirror.set(key, added.get(key))
    return change
  }

  /** From now on it counts as having none of that; it is told with `flush`, or before anything else. */
  dropLater(keys: readonly string[]): void {
    for (const key of keys) {
      this.#toDrop.set(key, this.mirror.get(key))
      this.mirror.set(key, undefined)
    }
  }

  flush(): void {
    const dropped = [...this.#toDrop]
    if (dropped.length === 0) return
    this.#toDrop.clear()
    const { before } = this.change(
      dropped.map(([key]) => key),
      [],
    )
    // If it is refused, that is still kept.
    for (const [key, resource] of dropped) before.set(key, resource)
  }

  /** Whether it owes an answer, or will. */
  get owes(): boolean {
    return this.link.owes || this.#toDrop.size > 0
  }

  /** Waits for that; false: its names may be late. */
  done(change: ToldChange, timeoutMs: number): boolean {
    const wait = this.#isSlow ? Math.min(timeoutMs, HASTE_MS) : timeoutMs
    if (this.link.answered(change.asked, wait)) return true
    if (!this.link.isUp) return false
    if (wait > HASTE_MS) this.#isSlow = true
    this.#late.add(change)
    return false
  }

  /** The keeper has dropped that by itself. */
  dropped(keys: readonly string[]): void {
    for (const key of keys) this.mirror.set(key, undefined)
  }

  /** Ends a keeper that answers nothing for too long. */
  takeNews(): KeeperNews {
    this.link.drain()
    this.link.endIfHung()
    const known = this.#known
    this.#known = []
    return { known, problems: this.takeProblems(), isUp: this.link.isUp, owes: this.owes }
  }

  /** `hasTables`: there are some that it keeps for the next engine. */
  async end(hasTables: boolean): Promise<void> {
    await this.link.end(!hasTables && this.mirror.all().length === 0)
  }

  takeProblems(): readonly string[] {
    const problems = this.#problems
    this.#problems = []
    return problems
  }

  #answered(change: ToldChange, error: string | undefined): void {
    this.#isSlow = false
    this.#unanswered.delete(change)
    const wasLate = this.#late.delete(change)
    if (error === undefined) {
      if (wasLate) this.#known.push(...change.endpoints)
      return
    }
    for (const [key, resource] of change.before) {
      const newer = [...this.#unanswered].find(({ before }) => before.has(key))
      if (newer === undefined) this.mirror.set(key, resource)
      else newer.before.set(key, resource)
    }
    this.#problems.push(`the keeper couldn't do what it was told: ${error}`)
  }
}
