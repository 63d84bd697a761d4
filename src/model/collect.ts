import { isCnmError } from '../base/errors.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { NamespaceRef } from '../kernel/resource.ts'
import { dropEndpoint } from './endpoint/endpoints.ts'
import type { Engine } from './engine.ts'
import { deleteNetwork } from './network/networks.ts'
import type { NetworkRecord, SandboxRecord } from './records.ts'
import { deleteSandbox } from './sandbox/sandboxes.ts'

/** An endpoint that nobody joins, or that nobody has joined again, is collected after a while. */
export function watchIdle(engine: Engine, id: EndpointId): void {
  if (engine.state.endpoints.get(id)?.persistent) forgetIdle(engine, id)
  else collectLater(engine, id, () => collectIdle(engine, id))
}

/** So is an ephemeral network that never gets an endpoint: whoever made it for one has died since. */
export function watchUnused(engine: Engine, { id, ephemeral }: NetworkRecord): void {
  if (ephemeral) collectLater(engine, id, () => collectNetwork(engine, id))
}

function collectLater(engine: Engine, id: string, collect: () => Promise<void>): void {
  forgetIdle(engine, id)
  const timer = setTimeout(() => {
    engine.idleTimers.delete(id)
    if (!engine.closing.signal.aborted) inBackground(engine, collect())
  }, engine.idleMs)
  engine.idleTimers.set(id, timer.unref())
}

/** It is used, or gone. */
export function forgetIdle(engine: Engine, id: string): void {
  clearTimeout(engine.idleTimers.get(id))
  engine.idleTimers.delete(id)
}

async function collectIdle(engine: Engine, id: EndpointId): Promise<void> {
  const network = engine.state.endpoints.get(id)?.network
  await engine.queue.run([id], async () => {
    const record = engine.state.endpoints.get(id)
    if (record !== undefined && record.joined === undefined) await dropEndpoint(engine, record)
  })
  if (network !== undefined) await collectNetwork(engine, network)
}

/** An ephemeral network goes with its last endpoint. */
export async function collectNetwork(engine: Engine, id: NetworkId): Promise<void> {
  const network = engine.state.networks.get(id)
  if (network?.state !== 'ready' || !network.record.ephemeral) return
  if (engine.state.endpointsOf(id).length > 0) return
  try {
    await deleteNetwork(engine, id)
  } catch (error) {
    // Somebody connected to it, or deleted it, meanwhile.
    if (!isCnmError(error, 'NETWORK_IN_USE') && !isCnmError(error, 'NETWORK_NOT_FOUND')) throw error
  }
}

/** A sandbox goes when what it lives on goes: somebody else's namespace, or its program. */
export function watchSandbox(engine: Engine, record: SandboxRecord): void {
  const place = livesOn(record)
  if (place === undefined) return
  const gone = engine.kernel.gone(place, engine.closing.signal).then(async () => {
    const now = engine.state.sandboxes.get(record.id)
    if (engine.closing.signal.aborted || now === undefined) return
    // It goes with another one by now.
    if (record.program !== undefined && record.program !== now.program) return
    await deleteSandbox(engine, record.id)
  })
  inBackground(engine, gone)
}

function livesOn(record: SandboxRecord): NamespaceRef | undefined {
  if (record.program !== undefined) return { path: `/proc/${record.program}/ns/net` }
  return record.origin === 'adopted' ? record.namespace : undefined
}

function inBackground(engine: Engine, work: Promise<void>): void {
  engine.track(work).catch((error: unknown) => {
    if (!isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'ENDPOINT_NOT_FOUND')) {
      engine.onProblem(error)
    }
  })
}
