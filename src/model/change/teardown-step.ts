import { isCnmError, isKernelError } from '../../base/errors.ts'
import type { Engine } from '../engine.ts'
import type { Step } from './changes.ts'

/** What the kernel says where others have changed or removed the link by which a route is to lead. */
const damages: readonly string[] = ['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'ENODEV']

/**
 * Performs a step that tears something down. If what is to take its place can't be made, since others have
 * changed what it needs, that stays missing, which `doctor` tells and mends; the rest is done.
 */
export async function performTeardown(engine: Engine, step: Step): Promise<void> {
  try {
    await engine.changes.perform(step)
  } catch (error) {
    if (!isDamage(error)) throw error
    engine.onProblem(error)
    await engine.changes.performRemoval(step)
  }
}

function isDamage(error: unknown): boolean {
  if (!isCnmError(error, 'KERNEL') || !isKernelError(error.cause)) return false
  return damages.includes(error.cause.errno)
}
