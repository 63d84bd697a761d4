import { withoutReserved } from '../../../api/reserved-label.ts'
import type { LocalController } from '../../../model/controller.ts'
import type { KnownLocalNetwork } from '../../../model/network/network.ts'
import { findNetwork } from '../find.ts'
import { readBody } from '../json/body.ts'
import { DockerError, forbidden, invalid } from '../json/docker-error.ts'
import { Filters } from '../json/filters.ts'
import { parseGoBool, parseGoTime } from '../json/go-values.ts'
import { networkJson } from '../json/network-json.ts'
import { isPredefined } from '../predefined.ts'
import type { Answer, Call } from './call.ts'
import { parseNetworkCreate } from './create-network.ts'

const listFilters = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']

/** Lists of clients before this version show who is on each network. */
const shortListMinor = 28

export function listNetworks({ front, query, minor }: Call): Answer {
  const filters = Filters.parse(query.get('filters'), listFilters)
  const type = typeFilter(filters)
  const dangling = danglingFilter(filters)
  const found = front.controller.now.networks().filter((network) => {
    const { id, name, driver, labels } = network.info
    return (
      filters.exact('driver', driver) &&
      filters.exact('scope', 'local') &&
      filters.matches('id', id) &&
      filters.matches('name', name) &&
      filters.labels('label', withoutReserved(labels)) &&
      (type === undefined || (type === 'builtin') === isPredefined(name)) &&
      (dangling === undefined || dangling === isDangling(front.controller, network))
    )
  })
  const body = found.map((network) =>
    networkJson(front.controller, network, minor < shortListMinor),
  )
  return { status: 200, body }
}

function typeFilter(filters: Filters): string | undefined {
  const [type] = filters.values('type')
  if (type === undefined || type === 'builtin' || type === 'custom') return type
  throw new DockerError(500, `invalid filter: 'type'='${type}'`)
}

function danglingFilter(filters: Filters): boolean | undefined {
  const values = filters.values('dangling')
  if (values.length === 0) return undefined
  const [value = ''] = values
  if (values.length === 1 && ['true', '1'].includes(value)) return true
  if (values.length === 1 && ['false', '0'].includes(value)) return false
  throw invalid(`invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`)
}

/** Nothing is on it. Predefined networks count as used. */
function isDangling({ now }: LocalController, { id, name }: KnownLocalNetwork): boolean {
  return !isPredefined(name) && now.endpoints({ network: id }).length === 0
}

export function inspectNetwork({ front, query, id }: Call): Answer {
  const verbose = query.get('verbose') ?? ''
  if (verbose !== '' && parseGoBool(verbose) === undefined) {
    const why = `strconv.ParseBool: parsing ${JSON.stringify(verbose)}: invalid syntax`
    throw invalid(`invalid value for verbose: ${verbose}: ${why}`)
  }
  const scope = query.get('scope') ?? ''
  if (scope !== '' && scope !== 'local') throw new DockerError(404, `network ${id} not found`)
  return {
    status: 200,
    body: networkJson(front.controller, findNetwork(front.controller, id), true),
  }
}

export async function createNetwork({ front, request, minor, note }: Call): Promise<Answer> {
  const options = parseNetworkCreate(await readBody(request), minor)
  note({ network: options.name })
  const network = await front.controller.createNetwork(options)
  note({ networkId: network.id })
  return {
    status: 201,
    body: { Id: network.id, Warning: network.info.warnings?.join('\n') ?? '' },
  }
}

export async function deleteNetwork({ front, id, note }: Call): Promise<Answer> {
  const network = findNetwork(front.controller, id)
  note({ network: network.name, networkId: network.id })
  if (isPredefined(network.name)) {
    throw forbidden(`${network.name} is a pre-defined network and cannot be removed`)
  }
  await network.delete()
  return { status: 204 }
}

export async function pruneNetworks({ front, query }: Call): Promise<Answer> {
  const filters = Filters.parse(query.get('filters'), ['label', 'label!', 'until'])
  const until = untilFilter(filters)
  if (front.pruning) throw new DockerError(409, 'a prune operation is already running')
  front.pruning = true
  try {
    const deleted: string[] = []
    for (const network of front.controller.now.networks()) {
      try {
        if (!isDangling(front.controller, network) || !isMeant(network, filters, until)) continue
        const { name } = network
        await network.delete()
        deleted.push(name)
      } catch {
        // An endpoint may have come, or another caller have deleted it; the others go on.
      }
    }
    // Events of the deletions come first.
    await front.events.settled()
    front.events.add('prune', '', { reclaimed: '0' })
    return { status: 200, body: { NetworksDeleted: deleted.length === 0 ? null : deleted } }
  } finally {
    front.pruning = false
  }
}

/** Only networks made before then are meant. */
function untilFilter(filters: Filters): number | undefined {
  const values = filters.values('until')
  if (values.length > 1) throw invalid('more than one until filter specified')
  const [text] = values
  return text === undefined ? undefined : parseGoTime(text, Date.now())
}

function isMeant(network: KnownLocalNetwork, filters: Filters, until: number | undefined): boolean {
  const { created, labels: all } = network.info
  const labels = withoutReserved(all)
  if (until !== undefined && Date.parse(created) > until) return false
  if (!filters.labels('label', labels)) return false
  return !filters.has('label!') || !filters.labels('label!', labels)
}
