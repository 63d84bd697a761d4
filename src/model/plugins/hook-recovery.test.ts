import { expect, it } from 'vitest'
import { FakePlugin } from '../../../test/support/fake-plugin.ts'
import { Life } from '../../../test/support/memory-rig.ts'
import type { LocalController } from '../controller.ts'

const fast = { timeout: 5_000, interval: 5 }

/** All that a driver with hooks is told of. */
async function story(cnm: LocalController): Promise<void> {
  const network = await cnm.createNetwork({
    name: 'web',
    driver: 'fake',
    subnets: ['10.66.0.0/24'],
  })
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await box.connect(network, { publish: ['8080:80'] })
  const apart = await network.createEndpoint({ name: 'apart', persistent: true })
  const other = await cnm.createSandbox({ name: 'other' })
  await apart.join(other)
  await endpoint.leave()
  await apart.leave()
  await apart.delete()
  await network.delete()
}

it('a plugin and the next engine agree, wherever the last one was killed', {
  timeout: 60_000,
}, async () => {
  let isOver = false
  for (let calls = 0; !isOver; calls += 1) {
    await using fake = await FakePlugin.start()
    const life = new Life()
    const first = await fake.engine(life)
    life.dieAfter(calls)
    isOver = await story(first).then(
      () => true,
      () => false,
    )
    await first.close().catch(() => {})
    const cnm = await fake.engine()
    const networks = (await cnm.networks()).filter((network) => network.info.driver === 'fake')
    const known = (ids: readonly { readonly id: string }[]) => ids.map(({ id }) => id).sort()
    const seen = () => ({
      networks: [...fake.networks].sort(),
      endpoints: [...fake.endpoints].sort(),
    })
    const expected = { networks: known(networks), endpoints: known(await cnm.endpoints()) }
    await expect.poll(seen, fast).toEqual(expected)
    for (const endpoint of await cnm.endpoints()) {
      await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('ready')
    }
    await cnm.down()
    expect(seen(), `after ${calls} calls`).toEqual({ networks: [], endpoints: [] })
    const links = fake.rig.kernel.lines().filter((line) => line.includes('si-'))
    expect(links).toEqual([])
  }
})
