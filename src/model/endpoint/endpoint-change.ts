import type { EndpointId } from '../../base/id.ts'
import { resourceKey } from '../../kernel/resource.ts'
import type { Order, Plan } from '../change/change.ts'
import type { Parts } from '../parts.ts'
import { put } from '../parts.ts'
import { hooksOf, specOf } from '../plugins/driver-hooks.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { memberKeys, planOf } from './members.ts'
import { gatewayFamilies, planSandbox } from './plan.ts'
import { networkSpec } from './specs.ts'

/** An endpoint that is to be changed, and where it is. */
export interface Subject {
  readonly record: EndpointRecord
  /** Absent: it is in none. */
  readonly sandbox?: SandboxRecord
}

export function subjectOf({ state }: Parts, id: EndpointId): Subject {
  const record = state.endpoints.need(id)
  if (record.joined === undefined) return { record }
  return { record, sandbox: state.sandboxes.need(record.joined.sandbox) }
}

/** To change an endpoint while nothing else does, whatever sandbox it is in. */
export function endpointOrder(
  parts: Parts,
  id: EndpointId,
  doing: string,
  signal?: AbortSignal,
): Order {
  const { name, network } = parts.state.endpoints.need(id)
  const { record } = parts.state.networks.need(network)
  const what = `${doing} endpoint "${name}" of network "${record.name}"`
  return { what, keys: () => memberKeys(parts, id), signal }
}

/** What it comes to, and how it is taken into the model. */
interface EndpointChange extends Pick<Required<Plan<void>>, 'step'> {
  readonly after: EndpointRecord
  readonly take: () => void
}

/** Makes an endpoint what it is to be. The others of its sandbox are not concerned. */
export function endpointChange(
  parts: Parts,
  { record, sandbox }: Subject,
  changed: EndpointRecord,
  to = sandbox === undefined ? record.resources : resourcesIn(parts, sandbox, changed),
): EndpointChange {
  const { id, resources: from } = record
  const before = new Set(from.map(resourceKey))
  const adding = to.filter((resource) => !before.has(resourceKey(resource)))
  const after = { ...changed, resources: to }
  return {
    step: {
      claims: sandbox === undefined ? [] : [{ owner: id, from, to }],
      intent: adding.length === 0 ? [] : [put('endpoint', { ...record, adding })],
      done: [put('endpoint', after)],
      undone: [put('endpoint', record)],
      ...portHooks(parts, record, after),
    },
    after,
    take: () => parts.state.putEndpoint(after),
  }
}

function resourcesIn(parts: Parts, sandbox: SandboxRecord, changed: EndpointRecord) {
  const all = parts.state.endpointsIn(sandbox.id)
  const planned = all.map((each) => planOf(parts, each.id === changed.id ? changed : each))
  return planSandbox(sandbox, planned, parts.sandboxDir).get(changed.id) ?? []
}

/** A driver that does the publishing itself is told of all that is to be. */
function portHooks(parts: Parts, before: EndpointRecord, after: EndpointRecord) {
  const network = parts.state.networks.need(after.network).record
  const hooks = hooksOf(parts, network)
  if (hooks === undefined || before.ports === after.ports) return {}
  if (gatewayFamilies(after).length === 0) return {}
  const spec = networkSpec(network)
  const tell = (record: EndpointRecord) => hooks.publish(spec, specOf(parts, record))
  return {
    after: async () => {
      try {
        await tell(after)
      } catch (error) {
        // It may have done it, or a part.
        await tell(before).catch(parts.onProblem)
        throw error
      }
      return []
    },
  }
}
