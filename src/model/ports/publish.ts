import type { PublishOptions } from '../../api/endpoint-options.ts'
import {
  parsePublishList,
  parseUnpublishList,
  parseUpdateOptions,
  type UpdateOptions,
} from '../../api/endpoint-options.ts'
import { CnmError } from '../../base/errors.ts'
import type { EndpointId } from '../../base/id.ts'
import type { PortBinding, PublishedPort } from '../../driver/driver.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { emitMember, planOf } from '../endpoint/members.ts'
import { gatewayFamilies, networkSpec, planSandbox } from '../endpoint/plan.ts'
import { parseRate } from '../endpoint/rate.ts'
import { type Engine, put } from '../engine.ts'
import { hooksOf, specOf } from '../plugins/driver-hooks.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { cutBindings, remainingWishes } from './bindings.ts'
import { releasePorts, withHostPorts } from './host-ports.ts'
import { mergePublished, parsePublished, publishedText } from './port-spec.ts'

type Given = readonly (string | PublishOptions)[]

/** Publishes more ports of an endpoint that has joined a sandbox. Answers with what they became. */
export async function publish(
  engine: Engine,
  id: EndpointId,
  given: Given,
  signal: AbortSignal | undefined,
): Promise<readonly PortBinding[]> {
  const wanted = mergePublished(parsePublishList(given).map(parsePublished))
  return alone(engine, id, signal, async (record) => {
    const sandbox = joinedSandbox(engine, record, 'publish')
    if (wanted.length === 0) return []
    const made = await withHostPorts(engine, [{ record, wanted }], async ([bindings = []]) => {
      const changed = {
        ...record,
        publish: [...(record.publish ?? []), ...wanted],
        ports: [...(record.ports ?? []), ...bindings],
      }
      const what = `publishing ${fewTexts(wanted)}`
      await changeEndpoint(engine, sandbox, record, changed, what, signal)
      return bindings
    })
    emitMember(engine, record, sandbox, 'publish', { ports: texts(made) })
    return made
  })
}

/** Ends that; all that is published there, or a part of it. */
export async function unpublish(
  engine: Engine,
  id: EndpointId,
  given: Given | readonly PortBinding[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const selected = parseUnpublishList(given).map(parsePublished)
  await alone(engine, id, signal, async (record) => {
    const sandbox = joinedSandbox(engine, record, 'unpublish')
    if (selected.length === 0) return
    const { publish: _, ports: __, ...rest } = record
    const before = record.ports ?? []
    let kept = before
    const cut: PortBinding[] = []
    for (const each of selected) {
      const result = cutBindings(kept, each)
      if (result.cut.length === 0) throw notPublished(engine, record, each)
      kept = result.kept
      cut.push(...result.cut)
    }
    const wishes = remainingWishes(record.publish ?? [], before, kept)
    const changed = {
      ...rest,
      ...(wishes.length === 0 ? {} : { publish: wishes }),
      ...(kept.length === 0 ? {} : { ports: kept }),
    }
    const what = `unpublishing ${fewTexts(selected)}`
    await changeEndpoint(engine, sandbox, record, changed, what, signal)
    releasePorts(engine, { id, ports: cut })
    emitMember(engine, record, sandbox, 'unpublish', { ports: texts(cut) })
  })
}

/** Changes what can be changed of an endpoint. */
export async function updateEndpoint(
  engine: Engine,
  id: EndpointId,
  given: UpdateOptions,
): Promise<void> {
  const { rate: wanted } = parseUpdateOptions(given)
  if (wanted === undefined) return
  const rate = parseRate(wanted)
  await alone(engine, id, given.signal, async (record) => {
    const { rate: _, ...rest } = record
    const changed = rate === undefined ? rest : { ...rest, rate }
    const sandbox = record.joined && engine.state.sandboxes.need(record.joined.sandbox)
    await changeEndpoint(engine, sandbox, record, changed, 'changing the rate', given.signal)
    emitMember(engine, record, sandbox, 'update')
  })
}

/** Works on an endpoint while nobody else does, whatever sandbox it is in. */
async function alone<T>(
  engine: Engine,
  id: EndpointId,
  signal: AbortSignal | undefined,
  work: (record: EndpointRecord) => Promise<T>,
): Promise<T> {
  const { joined } = engine.state.endpoints.need(id)
  const keys = joined === undefined ? [id] : [joined.sandbox, id]
  const run = async () => {
    const record = engine.state.endpoints.need(id)
    // It has joined another one while this waited, whose queue this isn't in.
    if (record.joined?.sandbox !== joined?.sandbox) return undefined
    return { result: await work(record) }
  }
  const done = await engine.queue.run(keys, run, signal)
  return done === undefined ? alone(engine, id, signal, work) : done.result
}

/** Makes an endpoint what it is to be. The others of its sandbox are not concerned. */
export async function changeEndpoint(
  engine: Engine,
  sandbox: SandboxRecord | undefined,
  record: EndpointRecord,
  changed: EndpointRecord,
  doing: string,
  signal: AbortSignal | undefined,
  to = sandbox === undefined ? record.resources : resourcesIn(engine, sandbox, changed),
): Promise<void> {
  const { resources: from } = record
  const before = new Set(from.map(resourceKey))
  const adding = to.filter((resource) => !before.has(resourceKey(resource)))
  const after = { ...changed, resources: to }
  const network = engine.state.networks.need(record.network).record.name
  await engine.changes.perform({
    what: `${doing} of endpoint "${record.name}" of network "${network}"`,
    claims: sandbox === undefined ? [] : [{ owner: record.id, from, to }],
    intent: adding.length === 0 ? [] : [put('endpoint', { ...record, adding })],
    done: [put('endpoint', after)],
    undone: [put('endpoint', record)],
    ...portHooks(engine, record, after),
    ...(signal ? { signal } : {}),
  })
  engine.state.putEndpoint(after)
}

/** A driver that does the publishing itself is told of all that is to be. */
function portHooks(engine: Engine, before: EndpointRecord, after: EndpointRecord) {
  const network = engine.state.networks.need(after.network).record
  const hooks = hooksOf(engine, network)
  if (hooks === undefined || before.ports === after.ports) return {}
  if (gatewayFamilies(after).length === 0) return {}
  const spec = networkSpec(network)
  const tell = (record: EndpointRecord) => hooks.publish(spec, specOf(engine, record))
  return {
    after: async () => {
      try {
        await tell(after)
      } catch (error) {
        // It may have done it, or a part.
        await tell(before).catch(engine.onProblem)
        throw error
      }
      return []
    },
  }
}

function resourcesIn(engine: Engine, sandbox: SandboxRecord, changed: EndpointRecord) {
  const all = engine.state.endpointsIn(sandbox.id)
  const planned = all.map((each) => planOf(engine, each.id === changed.id ? changed : each))
  return planSandbox(sandbox, planned, engine.sandboxDir).get(changed.id) ?? []
}

function joinedSandbox(
  engine: Engine,
  { name, joined }: EndpointRecord,
  action: 'publish' | 'unpublish',
): SandboxRecord {
  if (joined !== undefined) return engine.state.sandboxes.need(joined.sandbox)
  throw new CnmError('ENDPOINT_NOT_JOINED', `endpoint "${name}" is in no sandbox`, {
    hint: `let it join one first: there is nothing to ${action}`,
  })
}

function notPublished(engine: Engine, record: EndpointRecord, selected: PublishedPort): CnmError {
  const network = engine.state.networks.need(record.network).record.name
  const published = fewTexts(record.ports ?? [])
  return new CnmError(
    'INVALID_ARGUMENT',
    `endpoint "${record.name}" of network "${network}" does not publish ${publishedText(selected)}`,
    {
      details: { endpoint: record.name, network },
      hint: published === '' ? 'it publishes nothing' : `it publishes ${published}`,
    },
  )
}

/** For a sentence. */
function fewTexts(ports: readonly PublishedPort[]): string {
  const few = ports.slice(0, 5).map(publishedText).join(', ')
  return ports.length > 5 ? `${few}, …` : few
}

function texts(bindings: readonly PortBinding[]): string {
  return bindings.map(publishedText).join(', ')
}
