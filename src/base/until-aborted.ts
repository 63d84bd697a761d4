import { cancelled } from './errors.ts'

/** Waits for that, or until the signal fires. Errors: CANCELLED. */
export async function untilAborted(
  wait: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) {
    await wait
    return
  }
  if (signal.aborted) throw cancelled('the operation', signal)
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled('the operation', signal))
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    await Promise.race([wait, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
