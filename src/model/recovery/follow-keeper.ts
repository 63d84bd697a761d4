import { CnmError } from '../../base/errors.ts'
import type { EndpointId, SandboxId } from '../../base/id.ts'
import { isKept } from '../../kernel/kept-resource.ts'
import type { KernelEvent } from '../../kernel/kernel.ts'
import type { Engine } from '../engine.ts'
import { mendDifferences } from './mend-all.ts'

/** Takes in what is told of names, and gives a new keeper what the one before it had. */
export function followKeeper(engine: Engine, event: KernelEvent): void {
  switch (event.type) {
    case 'names':
      if (engine.state.endpoints.get(event.endpoint as EndpointId)) engine.names.follow(event)
      return
    case 'counters':
      if (engine.state.sandboxes.get(event.sandbox as SandboxId)) engine.names.follow(event)
      return
    case 'problem':
      engine.onProblem(new CnmError('KERNEL', event.message))
      return
    case 'keeper':
      if (event.change === 'lost') lose(engine)
      else handOver(engine).catch(engine.onProblem)
  }
}

/** Told once, however often the next ones end as well. */
function lose(engine: Engine): void {
  const isTold = engine.names.isLost
  engine.names.lose()
  if (isTold || engine.closing.signal.aborted) return
  engine.onProblem(
    new CnmError('KERNEL', 'the keeper has ended, and with it names and relays of all sandboxes', {
      hint: 'it is started again and given all it had; RUN/keeper.log may tell why it ended',
    }),
  )
}

/** Nothing else happens meanwhile: what is compared is what is wanted. */
async function handOver(engine: Engine): Promise<void> {
  const { losses } = engine.names
  await engine.changes.alone(async () => {
    if (engine.closing.signal.aborted) return
    engine.names.beginAgain()
    const kept = engine.ledger.all().filter(isKept)
    const problems: string[] = []
    await mendDifferences(engine, await engine.kernel.compare(kept), problems)
    engine.names.regain(losses)
    for (const problem of problems) engine.onProblem(new CnmError('KERNEL', problem))
  })
}
