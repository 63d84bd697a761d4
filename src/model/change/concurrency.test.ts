import { afterEach, expect, it, vi } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'

afterEach(() => {
  vi.useRealTimers()
})

const web = { name: 'web', subnets: ['10.7.0.0/24'] }

it('a sandbox that is deleted is gone, whenever the call is cancelled, or it is untouched', async () => {
  for (let turns = 0; turns < 30; turns += 1) {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    await cnm.createNetwork(web)
    const empty = rig.snapshot()
    const box = await cnm.createSandbox({ connect: [{ network: 'web' }] })
    const before = rig.snapshot()
    const abort = new AbortController()
    const call = box.delete({ signal: abort.signal })
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
    abort.abort()
    const cancelled = await call.then(
      () => false,
      (error) => error.code === 'CANCELLED',
    )
    expect(rig.snapshot()).toEqual(cancelled ? before : empty)
    expect(await cnm.doctor()).toEqual([])
  }
})

it('leaving and deleting an endpoint at once ends with its deletion', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const network = await cnm.createNetwork(web)
  const endpoint = await network.createEndpoint({ name: 'db', persistent: true })
  await endpoint.join(await cnm.createSandbox())
  await Promise.all([endpoint.leave(), endpoint.delete()])
  expect(await network.endpoints()).toEqual([])
})

it('counts the idle time of an endpoint from its last sandbox', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const rig = new MemoryRig()
  await using cnm = await rig.start(undefined, 1000)
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox()
  const endpoint = await network.createEndpoint({ name: 'db' })
  await vi.advanceTimersByTimeAsync(800)
  await endpoint.join(box)
  await vi.advanceTimersByTimeAsync(800)
  await endpoint.leave()
  await vi.advanceTimersByTimeAsync(800)
  expect(await network.endpoints()).toHaveLength(1)
  const events = await cnm.events()
  await vi.advanceTimersByTimeAsync(300)
  for await (const event of events) if (event.action === 'delete') break
  expect(await network.endpoints()).toEqual([])
})

it('collects an ephemeral network after a connection that failed', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const brief = await cnm.createNetwork({ ...web, name: 'brief', ephemeral: true })
  const box = await cnm.createSandbox()
  rig.kernel.failAt(1)
  await expect(box.connect(brief)).rejects.toMatchObject({ code: 'KERNEL' })
  expect((await cnm.networks()).map(({ name }) => name)).not.toContain('brief')
})

it('adopts a namespace once, however many try at the same time', async () => {
  const rig = new MemoryRig()
  rig.kernel.addNamespace('/run/netns/theirs')
  await using cnm = await rig.start()
  await cnm.createNetwork(web)
  const attempt = () =>
    cnm.createSandbox({ netns: '/run/netns/theirs', connect: [{ network: 'web' }] }).then(
      () => 'done',
      (error) => error.code,
    )
  expect((await Promise.all([attempt(), attempt()])).sort()).toEqual(['SANDBOX_EXISTS', 'done'])
})

it('closing waits for what it has begun', async () => {
  const rig = new MemoryRig()
  const cnm = await rig.start()
  for (const name of ['a', 'b']) await cnm.createNetwork({ name, ephemeral: true })
  const box = await cnm.createSandbox({ connect: [{ network: 'a' }, { network: 'b' }] })
  const [deleted] = await Promise.all([box.delete().then(() => 'deleted'), cnm.close()])
  expect(deleted).toBe('deleted')
  const records = rig.snapshot().records.filter((line) => !line.startsWith('engine'))
  expect(records).toEqual([])
  expect(rig.problems).toEqual([])
})
