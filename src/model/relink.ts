import type { EndpointId } from '../base/id.ts'
import { planMembers } from './endpoint/members.ts'
import type { Engine } from './engine.ts'
import { enqueue } from './plugins/pending-calls.ts'

/** What endpoints have for the sake of one they link to comes and goes with it. */
export function followLinks(engine: Engine): void {
  engine.changes.onTouched(({ endpoints }) => {
    for (const id of endpoints) {
      for (const linking of engine.state.endpointsLinkedTo(id)) relink(engine, linking.id)
    }
  })
}

function relink(engine: Engine, id: EndpointId): void {
  const { changes, state, closing } = engine
  const record = state.endpoints.get(id)
  if (record?.joined === undefined) return
  const order = {
    what: `linking endpoint "${record.name}"`,
    keys: [record.joined.sandbox],
  }
  const sandboxId = record.joined.sandbox
  engine.follow(() =>
    changes.change(order, {
      gather: (parts) => {
        const sandbox = parts.state.sandboxes.get(sandboxId)
        return sandbox?.state === 'ready' && !closing.signal.aborted ? sandbox : undefined
      },
      plan: (sandbox, parts) => {
        const settle = () => {}
        if (sandbox === undefined) return { settle }
        const { records, pending, ...step } = planMembers(parts, sandbox, [], [])
        if (records.length === 0) return { settle }
        return {
          step,
          settle: (touched) => {
            for (const { network } of pending) touched.told.add(network.id)
            for (const each of records) parts.state.putEndpoint(each)
            enqueue(parts, pending)
          },
        }
      },
    }),
  )
}
