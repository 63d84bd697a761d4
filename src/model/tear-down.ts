import { CnmError, isCnmError, throwIfAborted } from '../base/errors.ts'
import type { NetworkId } from '../base/id.ts'
import { deleteEndpoint } from './endpoint/endpoints.ts'
import type { Engine } from './engine.ts'
import { deleteNetwork, isPredefined, refusePredefined } from './network/networks.ts'
import type { NetworkRecord } from './records.ts'
import { deleteSandbox } from './sandbox/sandboxes.ts'

/** How often others may connect to a network while it is deleted by force. */
const attempts = 5

/** Deletes a network with its endpoints, which leave their sandboxes first. */
export async function deleteNetworkByForce(
  engine: Engine,
  id: NetworkId,
  signal?: AbortSignal,
): Promise<void> {
  refusePredefined(engine, engine.state.networks.need(id).record)
  for (let attempt = 1; ; attempt += 1) {
    await deleteEndpoints(engine, id, signal)
    try {
      return await deleteNetwork(engine, id, signal)
    } catch (error) {
      // An ephemeral one goes with its last endpoint.
      if (isCnmError(error, 'NETWORK_NOT_FOUND')) return
      if (!isCnmError(error, 'NETWORK_IN_USE') || attempt === attempts) throw error
    }
  }
}

async function deleteEndpoints(
  engine: Engine,
  id: NetworkId,
  signal: AbortSignal | undefined,
): Promise<void> {
  // One that is being created still has a caller that works on it.
  const endpoints = engine.state.endpointsOf(id).filter(({ state }) => state !== 'creating')
  const work = endpoints.map((endpoint) => deleteEndpoint(engine, endpoint.id, signal))
  throwAll('deleting the endpoints of a network', await failures(work))
}

/** Deletes networks without endpoints. Answers with their names. */
export async function pruneNetworks(engine: Engine, signal?: AbortSignal): Promise<string[]> {
  // That of another engine is in use as long as it is known there.
  const unused = ({ id, runtime }: NetworkRecord) =>
    runtime === undefined && engine.state.endpointsOf(id).length === 0
  const deleted: string[] = []
  const work = ownNetworks(engine)
    .filter(unused)
    .map(async ({ id, name }) => {
      try {
        await deleteNetwork(engine, id, signal)
        deleted.push(name)
      } catch (error) {
        // Another caller has connected to it meanwhile.
        if (!isCnmError(error, 'NETWORK_IN_USE')) throw error
      }
    })
  throwAll('deleting unused networks', await failures(work))
  return deleted
}

/**
 * Deletes all sandboxes, endpoints and networks, and waits until they are gone from the kernel. What fails
 * keeps the rest from nothing; all of it is reported.
 */
export async function tearDown(engine: Engine, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal, 'deleting everything')
  const { sandboxes } = engine.state
  const failed = await failures(sandboxes.all().map(({ id }) => deleteSandbox(engine, id, signal)))
  const networks = ownNetworks(engine).map(({ id }) => deleteNetworkByForce(engine, id, signal))
  failed.push(...(await failures(networks)))
  await engine.kernel.settled()
  throwAll('deleting everything', failed)
}

function ownNetworks(engine: Engine): NetworkRecord[] {
  return engine.state.networks
    .all()
    .filter(({ state, record }) => state === 'ready' && !isPredefined(engine, record))
    .map(({ record }) => record)
}

/** What went wrong; that another caller was faster did not. */
async function failures(work: readonly Promise<unknown>[]): Promise<unknown[]> {
  const results = await Promise.allSettled(work)
  return results
    .flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    .filter((error) => !isCnmError(error) || error.kind !== 'not-found')
}

/** One error that names them all, with the code of the first. */
function throwAll(what: string, errors: readonly unknown[]): void {
  const [first] = errors
  if (first === undefined) return
  if (errors.length === 1) throw first
  const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)))
  const code = isCnmError(first) ? first.code : 'INTERNAL'
  throw new CnmError(code, `${what}: ${errors.length} errors: ${messages.join('; ')}`, {
    details: { errors: messages },
    cause: first,
  })
}
