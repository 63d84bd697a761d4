import type { IpAddress } from '../../address/address.ts'
import type { parseEndpointOptions } from '../../api/endpoint-options.ts'
import { CnmError } from '../../base/errors.ts'
import { type EndpointId, type NetworkId, newId, type SandboxId } from '../../base/id.ts'
import { untilAborted } from '../../base/until-aborted.ts'
import type { Taken } from '../change/taken.ts'
import { parseEndpointAddresses, releaseAddresses, takeAddresses } from '../network/addresses.ts'
import { refuseDoubled, requiredMac } from '../network/kept-addresses.ts'
import type { Parts } from '../parts.ts'
import { flush } from '../plugins/pending-calls.ts'
import type { EndpointRecord, MadeFor, SandboxRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'
import { endpointSettings } from './endpoint-settings.ts'
import { hasMoved } from './mac-memory.ts'
import { parseLinks } from './peer-links.ts'

type Parsed = ReturnType<typeof parseEndpointOptions>

/** What is known of an endpoint that is made for another engine. */
export interface MadeEndpoint extends MadeFor<EndpointId> {
  /** Whether an address is taken already, for this endpoint. From then on it is the endpoint's. */
  readonly takeHeld: (address: IpAddress) => boolean
}

/**
 * An endpoint that is not recorded yet. Its name is taken at once, and its network can't be deleted any
 * more, until the change has failed.
 */
export async function draftEndpoint(
  engine: Parts,
  network: NetworkState,
  options: Parsed,
  name: string,
  taken: Taken,
  made?: Partial<MadeEndpoint>,
  signal?: AbortSignal,
): Promise<EndpointRecord> {
  const { record } = network
  if (engine.state.endpointNamed(record.id, name) !== undefined) {
    throw new CnmError(
      'ENDPOINT_EXISTS',
      `network "${record.name}" has an endpoint "${name}" already`,
      { hint: 'use another name' },
    )
  }
  const wanted = parseEndpointAddresses(options)
  const settings = endpointSettings(options)
  const links = parseLinks(engine, record.id, options.links ?? [])
  const draft: EndpointRecord = {
    id: made?.id ?? newId<EndpointId>(),
    name,
    network: record.id,
    state: 'creating',
    created: new Date().toISOString(),
    labels: options.labels ?? {},
    aliases: options.aliases ?? [],
    gwPriority: options.gwPriority ?? 0,
    attached: true,
    persistent: false,
    ...settings,
    ...links,
    ...(made?.runtime ? { runtime: made.runtime } : {}),
    resources: [],
  }
  engine.state.putEndpoint(draft)
  taken.orElse(() => engine.state.dropEndpoint(draft.id))
  // An address may be free when its driver has been told so.
  await untilAborted(flush(engine, record.id), signal)
  const ipam = engine.ipam(record.ipam)
  const mac = draft.mac ?? (await requiredMac(ipam, draft.id))
  const addresses = await takeAddresses(ipam, network, name, wanted, mac, made?.takeHeld)
  if (ipam.keeper) await refuseDoubled(engine, network, draft, addresses)
  const moved = hasMoved(network, addresses, draft.mac) ? { moved: true } : {}
  const addressed = { ...draft, ...(mac ? { mac } : {}), ...addresses, ...moved }
  taken.orElse(async ({ left }) => {
    left.add(record.id)
    await releaseAddresses(ipam, network, addressed)
  })
  engine.state.putEndpoint(addressed)
  return addressed
}

export function readyNetwork(engine: Parts, id: NetworkId): NetworkState {
  const network = engine.state.networks.need(id)
  if (network.state === 'ready') return network
  throw new CnmError(
    'NETWORK_NOT_FOUND',
    `network "${network.record.name}" is being ${network.state === 'creating' ? 'created' : 'deleted'}`,
  )
}

export function readySandbox(engine: Parts, id: SandboxId): SandboxRecord {
  const sandbox = engine.state.sandboxes.need(id)
  if (sandbox.state === 'ready') return sandbox
  const what = sandbox.state === 'creating' ? 'created' : 'deleted'
  throw new CnmError('SANDBOX_NOT_FOUND', `sandbox "${sandbox.name}" is being ${what}`)
}
