import type { Change } from '../../kernel.ts'
import { facts, participants } from '../kinds/kinds.ts'
import { type Phase, phases } from '../kinds/phases.ts'
import { NetnsHandles } from '../namespaces/netns-handle.ts'
import type { Retired } from '../thread/operations.ts'
import { ApplyContext } from './context.ts'
import type { Machinery } from './machinery.ts'
import { Transaction } from './transaction.ts'

/** What became of a change. There may be something to delete even if it failed. */
interface Outcome {
  readonly retired: Retired
  /** Endpoints whose names may not be known everywhere yet. */
  readonly late: readonly string[]
  readonly error?: unknown
}

/** Makes a change true, phase by phase, or undoes what was done of it. */
export function apply(machinery: Machinery, change: Change): Outcome {
  const handles = new NetnsHandles(machinery.namespaces, machinery.host)
  const transaction = new Transaction(handles)
  const context = new ApplyContext(machinery, transaction, change, facts)
  const { keeping } = context
  try {
    for (const [phase, ...names] of phases) perform(context, phase, names)
    return { retired: transaction.retired, late: keeping.late }
  } catch (error) {
    transaction.rollback()
    return { retired: transaction.retired, late: [], error }
  } finally {
    keeping.close()
    handles.close()
  }
}

function perform(
  context: ApplyContext,
  phase: Phase,
  names: readonly (keyof typeof participants)[],
): void {
  for (const name of names) participants[name].apply[phase]?.(context)
  context.endPhase()
}
