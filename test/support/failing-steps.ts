import { expect } from 'vitest'
import type { Change } from '#dist/kernel/kernel.js'
import type { LinuxKernel } from '#dist/kernel/linux/index.js'

/** Has a change fail at each of its steps: all is as `look` tells it before. Then the change is made. */
export async function failsAtEveryStep(
  kernel: LinuxKernel,
  change: Change,
  look: () => Promise<unknown>,
): Promise<void> {
  const before = await look()
  let failures = 0
  for (;;) {
    await kernel.armFault(failures + 1)
    const error: unknown = await kernel.apply(change).catch((reason: unknown) => reason)
    await kernel.armFault(Number.POSITIVE_INFINITY)
    if (error === undefined) break
    failures += 1
    expect(error).toMatchObject({ errno: 'EIO' })
    expect(await look(), `after a failure at step ${failures}`).toEqual(before)
  }
  expect(failures).toBeGreaterThan(0)
}
