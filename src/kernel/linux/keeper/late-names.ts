import type { Change, KernelEvent } from '../../kernel.ts'
import type { Resource } from '../../resource.ts'
import type { KeeperNews } from './keeper.ts'

const LOOK_EVERY_MS = 100

interface LateNamesOptions {
  /** What the keeper has said meanwhile. */
  news(): Promise<KeeperNews>
  onEvents(events: readonly KernelEvent[]): void
  /** The keeper is lost: nothing more will be heard of it. */
  onLoss(): void
}

/**
 * Endpoints whose names the keeper hadn't acknowledged in time, until it has. As long as it owes any
 * answer, it is looked after. Keeps nothing alive.
 */
export class LateNames {
  readonly #options: LateNamesOptions
  readonly #late = new Set<string>()
  #owes = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: LateNamesOptions) {
    this.#options = options
  }

  /** A change is done, and the names of these endpoints may not be known. */
  follow(change: Change, late: readonly string[]): void {
    const named = new Set(endpointsOf(change.add))
    for (const each of endpointsOf(change.remove)) if (!named.has(each)) this.#late.delete(each)
    for (const each of late) named.delete(each)
    this.#known([...named])
    for (const each of late) this.#late.add(each)
    // Those that were late already are so with another keeper, perhaps.
    this.#tell('late', late)
    this.#look()
  }

  /** The keeper hasn't answered everything. */
  awaitAnswers(): void {
    this.#owes = true
    this.#look()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#late.clear()
  }

  #look(): void {
    if (this.#timer !== undefined || (this.#late.size === 0 && !this.#owes)) return
    this.#timer = setTimeout(() => {
      // It rejects only when the kernel is closed.
      this.#take().catch(() => {})
    }, LOOK_EVERY_MS).unref()
  }

  async #take(): Promise<void> {
    const { known, problems, isUp, owes } = await this.#options.news()
    this.#timer = undefined
    this.#owes = owes
    this.#known(known)
    this.#options.onEvents(problems.map((message) => ({ type: 'problem', message })))
    // Without one, it is said again when everything is handed over to the next.
    if (isUp) this.#look()
    else this.#options.onLoss()
  }

  #known(endpoints: readonly string[]): void {
    this.#tell(
      'known',
      endpoints.filter((each) => this.#late.delete(each)),
    )
  }

  #tell(change: 'late' | 'known', endpoints: readonly string[]): void {
    if (endpoints.length === 0) return
    this.#options.onEvents(endpoints.map((endpoint) => ({ type: 'names', change, endpoint })))
  }
}

function endpointsOf(resources: readonly Resource[]): string[] {
  return resources.flatMap((each) => (each.kind === 'names' ? [each.endpoint] : []))
}
