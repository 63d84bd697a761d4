import type { Finding } from '../../api/told.ts'
import { deleteEnded } from '../endpoint/endpoints.ts'
import type { Engine } from '../engine.ts'
import type { EndpointRecord } from '../records.ts'

/** Within that an engine that has joined an endpoint moves its link into the container. */
const movingMs = 120_000

/**
 * Endpoints in containers of other engines that have ended when it could not be told here. Their link is gone,
 * together with the container's namespace; or it was moved back, or never away. Only one that was never away may
 * still be on its way into the container.
 */
async function endedEndpoints({ state, kernel }: Engine): Promise<EndpointRecord[]> {
  const joined = state.endpoints.all().flatMap((record) => {
    const link = record.joined && linkToMove(record)
    return link === undefined ? [] : [{ record, link }]
  })
  if (joined.length === 0) return []
  const { links } = await kernel.view()
  const ends = new Map(links.map(({ name, otherEnd }) => [name, otherEnd ?? 'away']))
  return joined
    .filter(({ record: { created }, link }) => {
      const end = ends.get(link)
      if (end === 'new') return Date.now() - Date.parse(created) > movingMs
      return end !== 'away'
    })
    .map(({ record }) => record)
}

/** The host end of a link that another engine moves. */
function linkToMove({ resources }: EndpointRecord): string | undefined {
  const link = resources.find((it) => it.kind === 'veth' && it.peer.namespace === undefined)
  return link?.kind === 'veth' ? link.name : undefined
}

/** Ends what such endpoints have: addresses, ports, names. Answers with how many there were. */
export async function deleteEndedEndpoints(engine: Engine): Promise<number> {
  const ended = await endedEndpoints(engine)
  for (const record of ended) await deleteEnded(engine, record)
  return ended.length
}

/** For doctor: what there is of them, and with `fix` goes. */
export async function findEnded(engine: Engine, fix: boolean): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const record of await endedEndpoints(engine)) {
    const { name, network, runtime } = record
    const where = engine.state.networks.need(network).record.name
    const of = runtime === undefined ? '' : ` of ${runtime}`
    if (fix) await deleteEnded(engine, record)
    findings.push({
      kind: 'ended',
      detail: `endpoint "${name}" of network "${where}" is in a container${of} that has ended`,
      mended: fix,
    })
  }
  return findings
}
