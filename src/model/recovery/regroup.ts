import { isSame } from '../../kernel/same-resource.ts'
import { inGroup } from '../endpoint/port-group.ts'
import { type Engine, put } from '../engine.ts'
import { mendDifferences } from './mend-all.ts'

/**
 * For a start, before rules ask for groups: ports that are in another one than their network's, those of an
 * earlier version above all. What else is wrong with them can wait.
 */
export async function regroupPorts(engine: Engine): Promise<void> {
  const { state, ledger, kernel, store } = engine
  const changed = state.endpoints.all().flatMap((record) => {
    const network = state.networks.get(record.network)?.record
    const resources = network === undefined ? record.resources : inGroup(record.resources, network)
    const isSo = isSame(resources, record.resources)
    return isSo ? [] : [{ before: record, after: { ...record, resources } }]
  })
  if (changed.length === 0) return
  for (const { before, after } of changed) {
    ledger.claim([{ owner: after.id, from: before.resources, to: after.resources }])
    state.putEndpoint(after)
  }
  const ports = changed.flatMap(({ after }) =>
    after.resources.filter(({ kind }) => kind === 'veth'),
  )
  const differences = await kernel.compare(ports)
  const there = differences.filter(({ state }) => state === 'different')
  // What can't be mended now is told when everything is.
  await mendDifferences(engine, there, [])
  await store.commit(changed.map(({ after }) => put('endpoint', after)))
}
