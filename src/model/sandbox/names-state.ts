import type { EndpointId, SandboxId } from '../../base/id.ts'
import type { KernelEvent, ResolverCounters } from '../../kernel/kernel.ts'

/** What the kernel has told of names: what isn't known everywhere yet, and what resolvers have done. */
export class NamesState {
  readonly #late = new Set<EndpointId>()
  readonly #counters = new Map<SandboxId, ResolverCounters>()
  /** The keeper has ended, and there is no new one that knows all names. */
  #isLost = false
  #losses = 0

  get isLost(): boolean {
    return this.#isLost
  }

  isDegraded(endpoint: EndpointId): boolean {
    return this.#isLost || this.#late.has(endpoint)
  }

  countersOf(sandbox: SandboxId): ResolverCounters | undefined {
    return this.#counters.get(sandbox)
  }

  /** How often it has ended. */
  get losses(): number {
    return this.#losses
  }

  lose(): void {
    this.#isLost = true
    this.#losses += 1
  }

  /** A new keeper is being given everything: what is late from now on is late there. */
  beginAgain(): void {
    this.#late.clear()
  }

  /** The keeper after so many losses has been given everything; it begins to count at 0. */
  regain(losses: number): void {
    // That one has ended meanwhile.
    if (losses === this.#losses) this.#isLost = false
  }

  follow(event: Extract<KernelEvent, { readonly type: 'names' | 'counters' }>): void {
    if (event.type === 'counters') {
      this.#counters.set(event.sandbox as SandboxId, event.counters)
    } else if (event.change === 'late') {
      this.#late.add(event.endpoint as EndpointId)
    } else {
      this.#late.delete(event.endpoint as EndpointId)
    }
  }

  forgetEndpoint(id: EndpointId): void {
    this.#late.delete(id)
  }

  forgetSandbox(id: SandboxId): void {
    this.#counters.delete(id)
  }
}
