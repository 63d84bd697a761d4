import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { shortId } from '../base/id.ts'
import type { KnownLocalEndpoint } from './endpoint/endpoint.ts'

const none = { bytes: 0, packets: 0, dropped: 0, errors: 0 }
const count = (bytes: number) => ({ bytes, packets: bytes / 10, dropped: 1, errors: 2 })

describe('statistics', () => {
  it('are those of endpoints by name, their sums, and the bridge, seen from the inside', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    const web = await cnm.createNetwork({ name: 'web', options: { bridge: 'br-web' } })
    const api = await cnm.createSandbox({ name: 'api' })
    const db = await cnm.createSandbox({ name: 'db' })
    const first = await api.connect(web)
    const second = await db.connect(web, { name: 'store' })
    const port = ({ id }: KnownLocalEndpoint) => `veth${shortId(id, 10)}`
    rig.kernel.countTraffic(port(first), { received: count(100), sent: count(2000) })
    rig.kernel.countTraffic(port(second), { received: count(30) })
    rig.kernel.countTraffic('br-web', { sent: count(500) })

    const { networks, endpoints } = await cnm.statistics()
    expect(networks).toEqual([
      {
        id: web.id,
        name: 'web',
        endpoints: {
          sent: { bytes: 130, packets: 13, dropped: 2, errors: 4 },
          received: count(2000),
        },
        bridge: { received: count(500), sent: none },
      },
    ])
    const common = { network: web.id, networkName: 'web' }
    expect(endpoints).toEqual([
      {
        ...common,
        id: first.id,
        name: 'api',
        sandbox: api.id,
        sandboxName: 'api',
        sent: count(100),
        received: count(2000),
      },
      {
        ...common,
        id: second.id,
        name: 'store',
        sandbox: db.id,
        sandboxName: 'db',
        sent: count(30),
        received: none,
      },
    ])
  })

  it('leave out who has no link', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    const box = await cnm.createSandbox({ name: 'box' })
    await box.connect(await cnm.ensureNetwork({ name: 'none', driver: 'none' }))
    const web = await cnm.createNetwork({ name: 'web' })
    await web.createEndpoint({ name: 'waiting' })
    const { networks, endpoints } = await cnm.statistics()
    expect(endpoints).toEqual([])
    expect(networks.map(({ name }) => name)).toEqual(['web'])
    expect(networks[0]?.endpoints).toEqual({ received: none, sent: none })
  })

  it('are one question, however many endpoints there are', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    for (const name of ['a', 'b', 'c']) {
      const network = await cnm.createNetwork({ name })
      await (await cnm.createSandbox({ name })).connect(network)
    }
    rig.kernel.failAt(Number.POSITIVE_INFINITY)
    expect((await cnm.statistics()).endpoints).toHaveLength(3)
    expect(rig.kernel.steps()).toBe(1)
  })

  it('say what they were for when the kernel refuses', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    rig.kernel.failAt(1)
    await expect(cnm.statistics()).rejects.toMatchObject({
      code: 'KERNEL',
      message: expect.stringContaining('counters'),
    })
    await expect(cnm.statistics({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    })
  })
})
