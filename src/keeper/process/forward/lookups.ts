import type { UpstreamQuestion } from '../../../dns/upstream/upstream-query.ts'
import { Lookup, type LookupResult } from './lookup.ts'
import type { Server } from './server.ts'
import type { AskSupport } from './server-ask.ts'
import { Waiters } from './waiters.ts'

/** So many go on to hear late answers, when they have a result already. */
const MOST_LINGERING = 64

interface LookupRequest {
  /** What is the same has the same key. */
  readonly key: string
  /** Where it is asked from: empty for the host, or the id of a sandbox. */
  readonly place: string
  readonly servers: readonly Server[]
  readonly question: UpstreamQuestion
  readonly support: AskSupport
  /** Before those who wait get it. */
  readonly onResult: (result: LookupResult) => void
}

/** A lookup without a result yet. */
export interface RunningLookup {
  readonly startedAt: number
  readonly waiters: Waiters<LookupResult>
}

interface Running extends RunningLookup {
  readonly request: LookupRequest
  readonly lookup: Lookup
}

/** All lookups: what is asked for already is not asked for once more. */
export class Lookups {
  readonly #running = new Map<string, Running>()
  /** Those with open sockets, by where they ask from. */
  readonly #open = new Map<Lookup, string>()

  get(key: string): RunningLookup | undefined {
    return this.#running.get(key)
  }

  start(request: LookupRequest): RunningLookup {
    const { key, place, servers, question, support } = request
    const lookup: Lookup = new Lookup(servers, question, support, {
      onResult: (result) => this.#settle(running, result),
      onEnd: () => this.#open.delete(lookup),
    })
    const { startedAt } = lookup
    const running: Running = { startedAt, waiters: new Waiters(), request, lookup }
    this.#running.set(key, running)
    this.#open.set(lookup, place)
    lookup.start()
    return running
  }

  /** Nothing waits for that sandbox's any more, and nothing is asked from it: they get `result`. */
  forget(sandbox: string, result: LookupResult): void {
    this.#end((place) => place === sandbox, result)
    for (const { waiters } of this.#running.values()) waiters.settleFor(sandbox, result)
  }

  close(result: LookupResult): void {
    this.#end(() => true, result)
  }

  #end(isMeant: (place: string) => boolean, result: LookupResult): void {
    for (const [lookup, place] of this.#open) {
      if (!isMeant(place)) continue
      lookup.close()
      this.#open.delete(lookup)
    }
    for (const running of this.#running.values()) {
      if (isMeant(running.request.place)) this.#settle(running, result)
    }
  }

  #settle({ request, lookup, waiters }: Running, result: LookupResult): void {
    this.#running.delete(request.key)
    if (this.#open.size - this.#running.size > MOST_LINGERING) {
      lookup.close()
      this.#open.delete(lookup)
    }
    request.onResult(result)
    waiters.settle(result)
  }
}
