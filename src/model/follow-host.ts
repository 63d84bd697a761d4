import type { KernelEvent } from '../kernel/kernel.ts'
import type { Engine } from './engine.ts'
import { refreshNetworks } from './networks.ts'

const quietMs = 50

/**
 * Watches links and routes of the host that are not ours. When they change, networks are described
 * anew: an uplink that appears starts to forward for them. Many changes in a row count as one.
 */
export function followHost(engine: Engine): void {
  const { signal } = engine.closing
  let waiting = false
  const refresh = () => {
    waiting = false
    if (signal.aborted) return
    refreshNetworks(engine, (_, error) => engine.onProblem(error)).catch(engine.onProblem)
  }
  const follow = async () => {
    for await (const event of engine.kernel.events(signal)) {
      if (waiting || !matters(engine, event)) continue
      waiting = true
      setTimeout(refresh, quietMs).unref()
    }
  }
  follow().catch((error: unknown) => {
    if (!signal.aborted) engine.onProblem(error)
  })
}

/** Networks depend on the host's links and routes outwards, not on what happens on our own links. */
function matters(engine: Engine, event: KernelEvent): boolean {
  switch (event.type) {
    case 'link':
      return event.change === 'set'
    case 'route':
      return engine.ledger.get(`link::${event.route.link}`) === undefined
    case 'resync':
      return true
    default:
      return false
  }
}
