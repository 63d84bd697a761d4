import { KernelError } from '../../../base/errors.ts'

/**
 * The fault seam: every call that changes the kernel passes here first, so that a test can make the
 * k-th of them fail as if the kernel had refused it. The state is the calling thread's own.
 */

let counting = false
let calls = 0
let failAt = 0

/** Makes the k-th changing call from now fail, once, with EIO; nothing of it is done. */
export function armFault(k: number): void {
  counting = true
  calls = 0
  failAt = k
}

export function disarmFault(): void {
  counting = false
}

/** How many changing calls there were since arming. */
export function faultCalls(): number {
  return calls
}

/** To be called just before a change. */
export function faultPoint(operation: string, target?: string): void {
  if (faultDue()) throw injectedFault(operation, target)
}

/** Counts a change, and says whether it is the one that must fail: for callers that don't throw. */
export function faultDue(): boolean {
  if (!counting) return false
  calls += 1
  return calls === failAt
}

export function injectedFault(operation: string, target?: string): KernelError {
  return new KernelError(operation, 'EIO', {
    message: 'injected fault',
    ...(target === undefined ? {} : { target }),
  })
}

/** Runs what makes nothing that would have to be undone: it is not counted, and nothing of it fails. */
export function uncounted<T>(work: () => T): T {
  const before = counting
  counting = false
  try {
    return work()
  } finally {
    counting = before
  }
}
