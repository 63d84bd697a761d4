import type { Step } from '../change/transaction.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'
import { type GatewayMove, gatewayMove, hooksOf, specOf } from './driver-hooks.ts'
import { pendingCalls } from './pending-calls.ts'
import { degrade } from './plugin-health.ts'
import type { PendingCall, PendingCalls } from './plugin-state.ts'

/** What a change of members means to drivers with hooks. */
export interface MemberHooks extends Pick<Step, 'after'> {
  /** What they are told when it is done. */
  readonly pending: readonly PendingCalls[]
}

/**
 * What drivers with hooks are told when endpoints of a sandbox come, change and go. What comes may fail, and
 * then is undone; what goes is gone, whatever its driver says. `now` has those that are joined afterwards
 * and not as they were.
 */
export function memberHooks(
  engine: Parts,
  before: readonly EndpointRecord[],
  now: readonly EndpointRecord[],
  left: readonly EndpointRecord[],
): MemberHooks {
  const leaving = left.filter((record) => isHooked(engine, record))
  const all = now
    .filter(({ joined }) => joined !== undefined)
    .map((record) => {
      const was = before.find(({ id }) => id === record.id)
      return { isNew: was === undefined, move: gatewayMove(engine, was, record) }
    })
  const gains = all.flatMap(({ isNew, move }) => (isNew && move ? [move] : []))
  const moves = all.flatMap(({ isNew, move }) => (isNew || !move ? [] : [move]))
  const pending = [
    ...leaving.map((record) => callsAbout(engine, record, callsFor(engine, record))),
    ...moves
      .filter(({ change }) => change === 'loses')
      .map(({ record }) => callsAbout(engine, record, ['unpublish'])),
  ]
  const gained = moves.filter(({ change }) => change === 'gains')
  if (gains.length + gained.length === 0) return { pending }
  return {
    pending,
    after: async () => {
      for (const move of gains) await publish(engine, move)
      // One that stays, though another endpoint came or went.
      for (const move of gained) {
        await publish(engine, move).catch((error) => degrade(engine, move.record, error))
      }
      return []
    },
  }
}

function isHooked(engine: Parts, { network }: EndpointRecord): boolean {
  return hooksOf(engine, engine.state.networks.need(network).record) !== undefined
}

function callsFor(engine: Parts, record: EndpointRecord): readonly PendingCall[] {
  const wasGateway = gatewayMove(engine, undefined, record) !== undefined
  return [
    ...(wasGateway ? (['unpublish'] as const) : []),
    'leave',
    ...(record.attached ? (['deleteEndpoint'] as const) : []),
  ]
}

function callsAbout(engine: Parts, record: EndpointRecord, calls: readonly PendingCall[]) {
  const network = engine.state.networks.need(record.network).record
  return pendingCalls(engine, network, record.id, calls)
}

async function publish(engine: Parts, { record, hooks }: GatewayMove): Promise<void> {
  const network = engine.state.networks.need(record.network).record
  await hooks.publish(networkSpec(network), specOf(engine, record))
}
