import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answering, FakePlugin, faults } from '../../test/support/fake-plugin.ts'
import { Life } from '../../test/support/memory-rig.ts'
import type { LocalController } from '../model/controller.ts'

let fake: FakePlugin
let cnm: LocalController

beforeEach(async () => {
  fake = await FakePlugin.start()
  cnm = await fake.engine()
})

afterEach(() => fake[Symbol.asyncDispose]())

const web = { name: 'web', driver: 'fake', ipam: 'fake' } as const

describe('a plugin that is away', () => {
  const fast = { timeout: 5_000, interval: 10 }

  it('is told later what has gone meanwhile', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    const before = [...fake.endpoints]
    await fake.stop()
    await endpoint.leave()
    expect([...fake.endpoints]).toEqual(before)
    await fake.listen()
    await expect.poll(() => fake.endpoints.size, fast).toBe(0)
    await expect.poll(() => fake.addresses.has('10.66.0.2'), fast).toBe(false)
  })

  it('is told later by the next engine, too', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    await fake.stop()
    await endpoint.leave()
    await cnm.close()
    cnm = await fake.engine()
    await fake.listen()
    await expect.poll(() => fake.endpoints.size, fast).toBe(0)
  })

  it('keeps its endpoints as they are, degraded, and finds them again', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    const before = fake.rig.snapshot()
    await fake.stop()
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('degraded')
    expect(await cnm.plugin('fake')).toMatchObject({ state: 'unavailable', degraded: 1 })
    expect(fake.rig.snapshot()).toEqual(before)
    fake.calls.length = 0
    await fake.listen()
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('ready')
    expect(fake.calls).toContain('EndpointOperInfo')
    expect(fake.calls).not.toContain('CreateEndpoint')
    expect(fake.rig.snapshot()).toEqual(before)
  })

  it('that has forgotten everything is told it again', async () => {
    fake.requiresReplay = true
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    const before = fake.state()
    await fake.stop()
    fake.forget()
    fake.rig.kernel.removeLink('eth0', (await box.inspect()).namespace)
    await fake.listen()
    await expect.poll(() => fake.endpoints.size, fast).toBe(1)
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('ready')
    expect(fake.state()).toEqual(before)
  })

  it('does not keep an engine from starting, nor others from working', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    await box.connect(network)
    await cnm.close()
    await fake.stop()
    cnm = await fake.engine()
    const again = cnm.sandbox('box')
    expect(await (await again.endpoints())[0]?.inspect()).toMatchObject({
      plugin: 'degraded',
      state: 'ready',
    })
    await again.connect(await cnm.createNetwork({ name: 'other' }))
    await again.delete()
    expect(await cnm.sandboxes()).toEqual([])
  })

  it.each(['ProgramExternalConnectivity', 'DeleteNetwork'])(
    'does not keep an engine from starting by not answering to %s',
    async (method) => {
      const network = await cnm.createNetwork({ ...web, ephemeral: true })
      const other = await cnm.createNetwork({ name: 'other' })
      const box = await cnm.createSandbox({ name: 'box' })
      const [first, second] = [await box.connect(other), await box.connect(network)]
      await cnm.close()
      // Either the way out has gone meanwhile, or the last endpoint of the network.
      const gone = method === 'DeleteNetwork' ? second : first
      for (const key of fake.rig.contents.keys()) {
        if (key.includes(gone.id)) fake.rig.contents.delete(key)
      }
      let answer: (() => void) | undefined
      fake.faults.set(method, (_, response) => {
        answer = () => response.end('{}')
      })
      cnm = await fake.engine(new Life(), 60_000)
      await expect.poll(() => answer).toBeDefined()
      answer?.()
    },
  )

  it('that is back and slow and doctor don’t wait for each other', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    await fake.stop()
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('degraded')
    fake.calls.length = 0
    let answer = () => {}
    fake.faults.set('GetCapabilities', (_, response) => {
      answer = () => response.end('{}')
    })
    await fake.listen()
    await expect.poll(() => fake.calls, fast).toContain('GetCapabilities')
    // It waits for its turn behind those that asked before.
    const found = cnm.doctor()
    answer()
    expect(await found).toEqual([])
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('ready')
  })

  it('that leaves a call unanswered is told again, though it never went', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    fake.faults.set('DeleteEndpoint', faults.hangs)
    await endpoint.leave()
    expect(fake.endpoints.size).toBe(1)
    await expect.poll(() => fake.endpoints.size, fast).toBe(0)
  })

  it('that has given an address to another meanwhile doesn’t hear that it is free', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    // It does it, and doesn't say so; and it isn't met again before the next one has the address.
    fake.faults.set('ReleaseAddress', () => fake.addresses.delete('10.66.0.2'))
    fake.faults.set('Activate', faults.hangs)
    await endpoint.leave()
    const next = await box.connect(network)
    expect((await next.inspect()).ipv4).toBe('10.66.0.2')
    fake.calls.length = 0
    await expect.poll(() => fake.calls, fast).toContain('EndpointOperInfo')
    expect(fake.addresses.has('10.66.0.2')).toBe(true)
  })

  it('that doesn’t answer while it is asked for its endpoints is asked again', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    await fake.stop()
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('degraded')
    fake.faults.set('EndpointOperInfo', faults.hangs)
    await fake.listen()
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('ready')
  })

  it('whose new link can’t be put in its place is not taken for whole', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(network)
    const before = fake.rig.snapshot()
    await fake.stop()
    fake.forget()
    fake.rig.kernel.removeLink('eth0', (await box.inspect()).namespace)
    fake.faults.set('Join', answering({ InterfaceName: { SrcName: 'nowhere' } }))
    await fake.listen()
    await expect.poll(() => fake.rig.problems.length, fast).toBeGreaterThan(0)
    expect((await endpoint.inspect()).plugin).toBe('degraded')
    await fake.stop()
    await fake.listen()
    await expect.poll(async () => (await endpoint.inspect()).plugin, fast).toBe('ready')
    expect(fake.rig.snapshot()).toEqual(before)
  })

  it('is told by the next engine that its endpoint is gone, and then the network', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    await box.connect(network)
    await fake.stop()
    await box.delete()
    await network.delete()
    await cnm.close()
    // A store keeps no order, and one record is damaged.
    const damaged = { kind: 'engine', id: 'owed-x', version: 1, value: { id: 'owed-x' } }
    fake.rig.contents.set('engine owed-x', JSON.stringify(damaged))
    const records = [...fake.rig.contents].reverse()
    fake.rig.contents.clear()
    for (const [key, text] of records) fake.rig.contents.set(key, text)
    cnm = await fake.engine()
    fake.calls.length = 0
    await fake.listen()
    await expect.poll(() => fake.networks.size, fast).toBe(0)
    const told = fake.calls.filter((call) => call.startsWith('Delete'))
    expect(told).toEqual(['DeleteEndpoint', 'DeleteNetwork'])
  })

  it('lets its network be deleted, and is told later', async () => {
    const network = await cnm.createNetwork(web)
    await fake.stop()
    await network.delete()
    expect(fake.networks.size).toBe(1)
    await fake.listen()
    await expect.poll(() => fake.networks.size, fast).toBe(0)
  })

  it('is not asked again and again by those who wait', async () => {
    const network = await cnm.createNetwork(web)
    const box = await cnm.createSandbox({ name: 'box' })
    await fake.stop()
    await expect(box.connect(network)).rejects.toMatchObject({ code: 'PLUGIN_UNAVAILABLE' })
    await expect(box.connect(network)).rejects.toThrow(/RequestAddress is not tried/)
  })
})
