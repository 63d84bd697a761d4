import type { Engine } from '../engine.ts'
import { flush } from './pending-calls.ts'

/** What drivers are to be told of a change they are told when its keys are given back. */
export function tellPlugins(engine: Engine): void {
  engine.changes.onTouched(async ({ told }) => {
    await Promise.all([...told].map((network) => flush(engine, network)))
  })
}
