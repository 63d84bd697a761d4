import { isCnmError } from '../base/errors.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import type { NamespaceRef } from '../kernel/resource.ts'
import { deleteIdle } from './endpoint/endpoints.ts'
import type { Engine } from './engine.ts'
import { deleteNetwork } from './network/networks.ts'
import { pluginsOf } from './plugins/plugins-in-use.ts'
import type { SandboxRecord } from './records.ts'
import { deleteEndedEndpoints } from './recovery/ended-containers.ts'
import { deleteEmpty, deleteSandbox } from './sandbox/sandboxes.ts'

/**
 * What no longer belongs to anything goes: endpoints that no sandbox has joined for a while, ephemeral networks
 * with their last endpoint, sandboxes with the process or the namespace they live on, and at the start what has ended
 * while there was no engine. Reacts to changes, and
 * nothing else knows of it. Resolves when networks that should have gone before have gone, but for those of plug-ins.
 */
export async function collect(engine: Engine): Promise<void> {
  const collector = new Collector(engine)
  await collector.begin()
  engine.changes.onTouched(async ({ endpoints, sandboxes, networks, left }) => {
    for (const id of endpoints) collector.lookAtEndpoint(id)
    for (const id of networks) collector.lookAtNetwork(id)
    // What can't be collected keeps nothing else from it.
    for (const id of sandboxes) await collector.lookAtSandbox(id).catch(engine.onProblem)
    for (const id of left) await collector.collectNetwork(id).catch(engine.onProblem)
  })
}

class Collector {
  readonly #engine: Engine
  /** When endpoints that no sandbox has joined, and networks that were never used, are collected, by id. */
  readonly #timers = new Map<string, NodeJS.Timeout>()
  /** What the sandboxes that are watched live on. */
  readonly #watched = new Map<SandboxId, string>()

  constructor(engine: Engine) {
    this.#engine = engine
    engine.closing.signal.addEventListener('abort', () => {
      for (const timer of this.#timers.values()) clearTimeout(timer)
    })
  }

  async begin(): Promise<void> {
    const { state, onProblem } = this.#engine
    await deleteEndedEndpoints(this.#engine).catch(onProblem)
    for (const { record } of state.networks.all()) {
      const collected = this.collectNetwork(record.id)
      // The start waits for no plug-in.
      if (pluginsOf(this.#engine, record).length > 0) this.#inBackground(collected)
      else await collected
    }
    for (const { id } of state.sandboxes.all()) this.#inBackground(this.lookAtSandbox(id))
    for (const { id } of state.endpoints.all()) this.lookAtEndpoint(id)
  }

  /** One that no sandbox has joined, or that has left, is collected after a while. */
  lookAtEndpoint(id: EndpointId): void {
    const record = this.#engine.state.endpoints.get(id)
    const isIdle = record?.state === 'ready' && !record.joined && !record.persistent
    if (isIdle) this.#collectLater(id, () => deleteIdle(this.#engine, id))
    else this.#forget(id)
  }

  /** So is an ephemeral network that never gets an endpoint: the program it was made for has ended since. */
  lookAtNetwork(id: NetworkId): void {
    const network = this.#engine.state.networks.get(id)
    const isUnused = network?.record.ephemeral && this.#engine.state.endpointsOf(id).length === 0
    if (isUnused) this.#collectLater(id, () => this.collectNetwork(id))
    else this.#forget(id)
  }

  /** An ephemeral network goes with its last endpoint. */
  async collectNetwork(id: NetworkId): Promise<void> {
    const { state } = this.#engine
    const network = state.networks.get(id)
    if (network?.state !== 'ready' || !network.record.ephemeral) return
    if (state.endpointsOf(id).length > 0) return
    try {
      await deleteNetwork(this.#engine, id)
    } catch (error) {
      // Another caller has connected to it, or deleted it, meanwhile.
      if (isCnmError(error, 'NETWORK_IN_USE') || isCnmError(error, 'NETWORK_NOT_FOUND')) return
      this.#collectLater(id, () => this.collectNetwork(id))
      throw error
    }
  }

  /**
   * A sandbox goes when what it lives on goes: a namespace that is not its own, or its program. A container of
   * another engine is known as long as it is on a network.
   */
  async lookAtSandbox(id: SandboxId): Promise<void> {
    const { state } = this.#engine
    const record = state.sandboxes.get(id)
    if (record?.origin !== 'elsewhere') this.#watch(id, livesOn(record))
    else if (state.endpointsIn(id).length === 0) await deleteEmpty(this.#engine, id)
  }

  #watch(id: SandboxId, place: NamespaceRef | undefined): void {
    const { kernel, closing } = this.#engine
    if (place === undefined) {
      this.#watched.delete(id)
      return
    }
    if (this.#watched.get(id) === place.path) return
    this.#watched.set(id, place.path)
    const gone = kernel.gone(place, closing.signal).then(async () => {
      // Else it is gone already, or goes with another process by now.
      if (closing.signal.aborted || this.#watched.get(id) !== place.path) return
      await deleteSandbox(this.#engine, id)
    })
    this.#inBackground(gone)
  }

  #collectLater(id: string, work: () => Promise<void>): void {
    this.#forget(id)
    const { closing, idleMs } = this.#engine
    if (closing.signal.aborted) return
    const timer = setTimeout(() => {
      this.#timers.delete(id)
      if (!closing.signal.aborted) this.#inBackground(work())
    }, idleMs)
    this.#timers.set(id, timer.unref())
  }

  /** It is used, or gone. */
  #forget(id: string): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
  }

  #inBackground(work: Promise<void>): void {
    const { changes, onProblem } = this.#engine
    changes.track(work).catch((error: unknown) => {
      if (!isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'ENDPOINT_NOT_FOUND')) {
        onProblem(error)
      }
    })
  }
}

function livesOn(record: SandboxRecord | undefined): NamespaceRef | undefined {
  if (record === undefined) return undefined
  if (record.program !== undefined) return { path: `/proc/${record.program}/ns/net` }
  return record.origin === 'adopted' ? record.namespace : undefined
}
