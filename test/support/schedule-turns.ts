/** What a schedule found to be wrong. */
export class ScheduleError extends Error {}

/** Lets go on what is not held. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate)
}

/** Waits for it, though not for ever. */
export async function within(work: Promise<void>, what: string): Promise<void> {
  let isDone = false
  const done = work.then(() => {
    isDone = true
  })
  for (let turn = 0; turn < 3000 && !isDone; turn += 1) await turns()
  if (!isDone) throw new ScheduleError(`never ends: ${what}`)
  await done
}
