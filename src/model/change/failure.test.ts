import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { CnmError } from '../../base/errors.ts'

const death = () => new CnmError('CLOSED', 'the kernel thread has died: of a test')

it('closes when the kernel has ended by itself, and tells it once', async () => {
  const rig = new MemoryRig()
  const cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web' })
  const error = death()
  rig.kernel.fail(error)
  expect(await cnm.failed).toBe(error)
  await expect(cnm.networks()).rejects.toBe(error)
  await expect(cnm.doctor()).rejects.toBe(error)
  await expect(web.delete()).rejects.toBe(error)
  await cnm.close()
  expect(rig.problems).toEqual([error])
})

it('refuses what is under way and what waits with the same error, and leaves nothing waiting', async () => {
  const rig = new MemoryRig()
  const cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web' })
  const box = await cnm.createSandbox({ name: 'box' })
  const events = (await cnm.events())[Symbol.asyncIterator]()
  const queries = (await cnm.queries())[Symbol.asyncIterator]()
  const pending = [
    box.connect(web),
    ...['a', 'b', 'c'].map((name) => cnm.createNetwork({ name })),
    ...['d', 'e'].map((name) => cnm.createSandbox({ name, connect: [{ network: 'web' }] })),
    cnm.doctor({ fix: true }),
    cnm.statistics(),
    cnm.settled(),
    box.delete(),
  ]
  const error = death()
  rig.kernel.fail(error)
  const settled = await Promise.allSettled(pending)
  const reasons = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  expect(reasons.length).toBeGreaterThan(0)
  expect(reasons.filter((reason) => reason !== error)).toEqual([])
  while ((await events.next()).done !== true);
  expect(await queries.next()).toMatchObject({ done: true })
  await cnm.close()
  expect(rig.problems).toEqual([error])
})

it('has not failed when it is closed', async () => {
  const cnm = await new MemoryRig().start()
  await cnm.close()
  expect(await Promise.race([cnm.failed, Promise.resolve('not')])).toBe('not')
})
