import { expect } from 'vitest'
import type { LocalController } from '../../src/model/controller.ts'
import { Life, MemoryRig } from './memory-rig.ts'

/** What a user may do, on a host where `prepare` was done before. */
export interface Story {
  readonly name: string
  prepare(cnm: LocalController): Promise<void>
  act(cnm: LocalController): Promise<unknown>
}

/** Ids differ between two runs of one story; everything else must not. */
function shape(snapshot: ReturnType<MemoryRig['snapshot']>): string {
  return [...snapshot.machine, ...snapshot.records]
    .map((line) =>
      line
        .replace(/\b[0-9a-f]{10,64}\b/g, 'ID')
        .replace(/(veth|br-)[0-9a-f]{10}/g, '$1ID')
        .replace(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC')
        .replace(/fe80::[0-9a-f:]+ff:fe[0-9a-f:]+/g, 'OF MAC')
        .replace(/"created":"[^"]*"/g, 'TIME'),
    )
    .sort()
    .join('\n')
}

/** A failure at any step leaves everything as it was. */
export async function failsCleanly(story: Story): Promise<void> {
  for (let step = 1; step < 200; step += 1) {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    await story.prepare(cnm)
    const before = rig.snapshot()
    rig.kernel.failAt(step)
    const failed = await story.act(cnm).then(
      () => false,
      () => true,
    )
    rig.kernel.failAt(Number.POSITIVE_INFINITY)
    if (!failed) {
      expect(step).toBeGreaterThan(1)
      return
    }
    expect(rig.snapshot()).toEqual(before)
    expect(await cnm.doctor()).toEqual([])
    await story.act(cnm)
  }
  throw new Error('the story never came to an end')
}

/** A crash at any call is undone or finished at the next start. */
export async function survivesCrashes(story: Story): Promise<void> {
  const whole = new MemoryRig()
  const cnm = await whole.start()
  await story.prepare(cnm)
  const before = shape(whole.snapshot())
  await story.act(cnm)
  await cnm.close()
  const after = shape(whole.snapshot())

  for (let calls = 0; calls < 100; calls += 1) {
    const rig = new MemoryRig()
    const first = await rig.start()
    await story.prepare(first)
    await first.close()
    const life = new Life(Number.POSITIVE_INFINITY)
    const doomed = await rig.start(life)
    life.dieAfter(calls)
    await story.act(doomed).catch(() => {})
    const survived = !life.over
    await doomed.close().catch(() => {})

    const next = await rig.start()
    expect(await next.doctor()).toEqual([])
    const state = shape(rig.snapshot())
    expect([before, after]).toContain(state)
    await next.close()
    if (survived) {
      expect(state).toBe(after)
      return
    }
  }
  throw new Error('the story never came to an end')
}
