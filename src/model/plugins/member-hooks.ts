import type { Write } from '../../store/store.ts'
import type { Step } from '../change/transaction.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'
import { callAll, type GatewayMove, gatewayMove, hooksOf, specOf } from './driver-hooks.ts'
import { degrade } from './plugin-health.ts'
import type { OwedCall } from './plugin-state.ts'

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
): Pick<Step, 'after'> {
  const leaving = left.filter((record) => isHooked(engine, record))
  const all = now
    .filter(({ joined }) => joined !== undefined)
    .map((record) => {
      const was = before.find(({ id }) => id === record.id)
      return { isNew: was === undefined, move: gatewayMove(engine, was, record) }
    })
  const gains = all.flatMap(({ isNew, move }) => (isNew && move ? [move] : []))
  const moves = all.flatMap(({ isNew, move }) => (isNew || !move ? [] : [move]))
  if (leaving.length + moves.length + gains.length === 0) return {}
  return {
    after: async () => {
      for (const move of gains) await publish(engine, move)
      const writes = await Promise.all([
        ...leaving.map((record) => tell(engine, record, callsFor(engine, record))),
        ...moves.map((move) => follow(engine, move)),
      ])
      return writes.flat()
    },
  }
}

function isHooked(engine: Parts, { network }: EndpointRecord): boolean {
  return hooksOf(engine, engine.state.networks.need(network).record) !== undefined
}

function callsFor(engine: Parts, record: EndpointRecord): readonly OwedCall[] {
  const wasGateway = gatewayMove(engine, undefined, record) !== undefined
  return [
    ...(wasGateway ? (['unpublish'] as const) : []),
    'leave',
    ...(record.attached ? (['deleteEndpoint'] as const) : []),
  ]
}

function tell(engine: Parts, record: EndpointRecord, calls: readonly OwedCall[]) {
  const network = engine.state.networks.need(record.network).record
  return callAll(engine, network, record.id, calls)
}

/** One that stays, though another endpoint came or went. */
async function follow(engine: Parts, move: GatewayMove): Promise<readonly Write[]> {
  if (move.change === 'loses') return tell(engine, move.record, ['unpublish'])
  await publish(engine, move).catch((error) => degrade(engine, move.record, error))
  return []
}

async function publish(engine: Parts, { record, hooks }: GatewayMove): Promise<void> {
  const network = engine.state.networks.need(record.network).record
  await hooks.publish(networkSpec(network), specOf(engine, record))
}
