import type { Protocol } from '../../address/port.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import type { PortBinding, PublishedPort } from '../../driver/driver.ts'
import { resourceKey } from '../../kernel/resource.ts'
import type { Engine } from '../engine.ts'
import type { EndpointRecord } from '../records.ts'
import { type BusyPorts, chooseBindings, type TakenPort } from './choose-ports.ts'
import { isExact } from './port-spec.ts'

/** An endpoint and what of its ports is to be published now. */
export interface Publication {
  readonly record: EndpointRecord
  readonly wanted: readonly PublishedPort[]
}

/** What an endpoint publishes when it joins. */
export function publicationOf(record: EndpointRecord): Publication {
  return { record, wanted: record.publish ?? [] }
}

export function withPorts(
  record: EndpointRecord,
  ports: readonly PortBinding[] | undefined,
): EndpointRecord {
  return ports === undefined || ports.length === 0 ? record : { ...record, ports }
}

/** How often other ports are tried where a process of the host holds those that were chosen. */
const mostTries = 32

/**
 * Takes host ports and does something with the bindings; if that fails they are given back. Where a
 * process of the host holds ports that could be others, the next free ones are tried.
 * Errors: PORT_IN_USE, PORTS_EXHAUSTED, NOT_ALLOWED, and those of `work`.
 */
export async function withHostPorts<T>(
  engine: Engine,
  publications: readonly Publication[],
  work: (bindings: readonly (readonly PortBinding[])[]) => Promise<T>,
): Promise<T> {
  if (publications.every(({ wanted }) => wanted.length === 0)) return work([])
  const busy: BusyPorts[] = []
  for (let tries = 1; ; tries += 1) {
    const taken: TakenPort[][] = []
    try {
      for (const each of publications) taken.push(takePorts(engine, each, busy))
      return await work(taken.map((ports) => ports.map(({ binding }) => binding)))
    } catch (error) {
      for (const [at, ports] of taken.entries()) {
        releaseAll(engine, publications[at]!.record, ports)
      }
      const refused = refusedPort(error, taken)
      if (refused === undefined) throw error
      if (isExact(refused.wish) || tries === mostTries) {
        throw heldByProcess(engine, error as CnmError, publications[refused.at]!.record)
      }
      busy.push(refused)
    }
  }
}

/** An endpoint's ports, taken again at start. Errors: PORT_IN_USE. */
export function retakePorts(engine: Engine, record: EndpointRecord): void {
  const taken: PortBinding[] = []
  try {
    for (const binding of record.ports ?? []) {
      takeBinding(engine, record, binding)
      taken.push(binding)
    }
  } catch (error) {
    releasePorts(engine, { ...record, ports: taken })
    throw error
  }
}

/** What an endpoint holds, or some of it, is free again. */
export function releasePorts(
  engine: Engine,
  { id, ports = [] }: Pick<EndpointRecord, 'id' | 'ports'>,
): void {
  for (const { protocol, hostAddress, hostPorts } of ports) {
    if (hostPorts) engine.ports.release(id, protocol, hostAddress, hostPorts)
  }
}

function releaseAll(engine: Engine, { id }: EndpointRecord, taken: readonly TakenPort[]): void {
  releasePorts(engine, { id, ports: taken.map(({ binding }) => binding) })
}

function takePorts(
  engine: Engine,
  { record, wanted }: Publication,
  busy: readonly BusyPorts[],
): TakenPort[] {
  if (wanted.length === 0) return []
  const taken: TakenPort[] = []
  try {
    for (const port of chooseBindings(engine, record, wanted, busy)) {
      takeBinding(engine, record, port.binding)
      taken.push(port)
    }
  } catch (error) {
    releaseAll(engine, record, taken)
    throw error
  }
  // As they were asked for, not as they were chosen.
  const order = new Map(wanted.map((wish, at) => [wish, at]))
  return taken.sort((a, b) => (order.get(a.wish) ?? 0) - (order.get(b.wish) ?? 0))
}

function takeBinding(engine: Engine, record: EndpointRecord, binding: PortBinding): void {
  const { protocol, hostAddress, hostPorts } = binding
  if (hostPorts === undefined) return
  const holder = engine.ports.holder(protocol, hostAddress, hostPorts)
  if (holder === undefined) {
    engine.ports.take(record.id, protocol, hostAddress, hostPorts)
    return
  }
  const port = Math.max(holder.from, hostPorts.from)
  const other = engine.state.endpoints.get(holder.owner as EndpointRecord['id']) ?? record
  const network = engine.state.networks.need(other.network).record.name
  const isOwn = holder.owner === record.id
  const isTwice = isOwn && !isPublished(engine, record, protocol, port)
  const who = `endpoint "${other.name}" of network "${network}"`
  throw new CnmError(
    'PORT_IN_USE',
    isTwice
      ? `port ${port}/${protocol} is asked for twice by ${who}`
      : `port ${port}/${protocol} is published by ${who}${isOwn ? ' already' : ''}`,
    {
      details: { port, protocol, address: hostAddress, endpoint: other.name, network },
      hint: 'choose another host port, or leave it out and let one be chosen',
    },
  )
}

function isPublished(
  engine: Engine,
  { id }: EndpointRecord,
  protocol: Protocol,
  port: number,
): boolean {
  const ports = engine.state.endpoints.get(id)?.ports ?? []
  return ports.some(
    ({ protocol: p, hostPorts }) =>
      p === protocol && hostPorts !== undefined && hostPorts.from <= port && port <= hostPorts.to,
  )
}

/** The binding whose ports the kernel could not reserve, if that is what went wrong. */
function refusedPort(
  error: unknown,
  taken: readonly (readonly TakenPort[])[],
): (BusyPorts & { readonly wish: PublishedPort; readonly at: number }) | undefined {
  if (!isCnmError(error, 'PORT_IN_USE')) return undefined
  const { resource, port } = error.details
  for (const [at, ports] of taken.entries()) {
    for (const { binding, wish } of ports) {
      const { protocol, hostAddress: address, hostPorts } = binding
      if (hostPorts === undefined) continue
      const key = resourceKey({ kind: 'reservation', protocol, address, ports: hostPorts })
      if (key !== resource) continue
      const busy = typeof port === 'number' ? { from: port, to: port } : hostPorts
      return { protocol, ports: busy, wish, at }
    }
  }
  return undefined
}

function heldByProcess(engine: Engine, error: CnmError, record: EndpointRecord): CnmError {
  const network = engine.state.networks.need(record.network).record.name
  const { message, details, hint } = error
  return new CnmError(
    'PORT_IN_USE',
    `endpoint "${record.name}" of network "${network}": ${message}`,
    {
      details: { ...details, endpoint: record.name, network },
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    },
  )
}
