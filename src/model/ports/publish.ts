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
import type { Plan } from '../change/change.ts'
import {
  endpointChange,
  endpointOrder,
  type Subject,
  subjectOf,
} from '../endpoint/endpoint-change.ts'
import { assertLinkSettings } from '../endpoint/link-settings.ts'
import { emitMember, planOf } from '../endpoint/members.ts'
import { parseRate } from '../endpoint/rate.ts'
import type { Engine } from '../engine.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'
import { cutBindings, remainingWishes } from './bindings.ts'
import { HostPortChoice, releasePorts } from './host-ports.ts'
import { mergePublished, parsePublished, publishedText } from './port-spec.ts'

type Given = readonly (string | PublishOptions)[]

interface Publishing extends Subject {
  readonly ports: HostPortChoice
  readonly bindings: readonly PortBinding[]
}

/** Publishes more ports of an endpoint that has joined a sandbox. Answers with what they became. */
export async function publish(
  engine: Engine,
  id: EndpointId,
  given: Given,
  signal: AbortSignal | undefined,
): Promise<readonly PortBinding[]> {
  const wanted = mergePublished(parsePublishList(given).map(parsePublished))
  const order = endpointOrder(engine, id, `publishing ${fewTexts(wanted)} of`, signal)
  return engine.changes.change<Publishing, readonly PortBinding[]>(order, {
    gather: (parts) => {
      const subject = joinedSubject(parts, id, 'publish')
      const ports = new HostPortChoice(parts, [{ record: subject.record, wanted }])
      return { ...subject, ports, bindings: [] }
    },
    choose: (publishing, _, taken) => {
      const [bindings = []] = publishing.ports.take(taken)
      return { ...publishing, bindings }
    },
    again: (error, { ports }) => ports.again(error),
    plan: (publishing, parts) => planPublishing(parts, publishing, wanted),
  })
}

function planPublishing(
  parts: Parts,
  { bindings, ...subject }: Publishing,
  wanted: readonly PublishedPort[],
): Plan<readonly PortBinding[]> {
  if (wanted.length === 0) return { settle: () => [] }
  const { record, sandbox } = subject
  const { step, take } = endpointChange(parts, subject, {
    ...record,
    publish: [...(record.publish ?? []), ...wanted],
    ports: [...(record.ports ?? []), ...bindings],
  })
  return {
    step,
    settle: () => {
      take()
      emitMember(parts, record, sandbox, 'publish', { ports: texts(bindings) })
      return bindings
    },
  }
}

/** Ends that; all that is published there, or a part of it. */
export async function unpublish(
  engine: Engine,
  id: EndpointId,
  given: Given | readonly PortBinding[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const selected = parseUnpublishList(given).map(parsePublished)
  const order = endpointOrder(engine, id, `unpublishing ${fewTexts(selected)} of`, signal)
  await engine.changes.change<Subject, void>(order, {
    gather: (parts) => joinedSubject(parts, id, 'unpublish'),
    plan: (subject, parts) => planUnpublishing(parts, subject, selected),
  })
}

function planUnpublishing(
  parts: Parts,
  subject: Subject,
  selected: readonly PublishedPort[],
): Plan<void> {
  if (selected.length === 0) return { settle: () => {} }
  const { record, sandbox } = subject
  const { publish: _, ports: before = [], ...rest } = record
  let kept = before
  const cut: PortBinding[] = []
  for (const each of selected) {
    const result = cutBindings(kept, each)
    if (result.cut.length === 0) throw notPublished(parts, record, each)
    kept = result.kept
    cut.push(...result.cut)
  }
  const wishes = remainingWishes(record.publish ?? [], before, kept)
  const { step, take } = endpointChange(parts, subject, {
    ...rest,
    ...(wishes.length === 0 ? {} : { publish: wishes }),
    ...(kept.length === 0 ? {} : { ports: kept }),
  })
  return {
    step,
    settle: () => {
      take()
      releasePorts(parts, { id: record.id, ports: cut })
      emitMember(parts, record, sandbox, 'unpublish', { ports: texts(cut) })
    },
  }
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
  const order = endpointOrder(engine, id, 'changing the rate of', given.signal)
  await engine.changes.change<Subject, void>(order, {
    gather: (parts) => subjectOf(parts, id),
    plan: (subject, parts) => {
      const { record, sandbox } = subject
      const { rate: _, ...rest } = record
      const changed = rate === undefined ? rest : { ...rest, rate }
      if (sandbox !== undefined) {
        const { network, attachment } = planOf(parts, changed)
        assertLinkSettings(network, changed, attachment.link)
      }
      const { step, take } = endpointChange(parts, subject, changed)
      return {
        step,
        settle: () => {
          take()
          emitMember(parts, record, sandbox, 'update')
        },
      }
    },
  })
}

function joinedSubject(parts: Parts, id: EndpointId, action: 'publish' | 'unpublish'): Subject {
  const subject = subjectOf(parts, id)
  if (subject.sandbox !== undefined) return subject
  const { name } = subject.record
  throw new CnmError('ENDPOINT_NOT_JOINED', `endpoint "${name}" is in no sandbox`, {
    hint: `let it join one first: there is nothing to ${action}`,
  })
}

function notPublished(parts: Parts, record: EndpointRecord, selected: PublishedPort): CnmError {
  const network = parts.state.networks.need(record.network).record.name
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
