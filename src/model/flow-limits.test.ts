import { expect, it, vi } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'

it('tells who begins more flows than it may, once, and doctor as long as it is so', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    await cnm.createNetwork({ name: 'web', options: { newFlowsPerSecond: 7 } })
    const make = (name: string) => cnm.createSandbox({ name, connect: [{ network: 'web' }] })
    await make('calm')
    await make('busy')
    expect(await cnm.doctor()).toEqual([])
    const lines = rig.kernel.lines().filter((it) => it.includes('element inet cnm flow_limits {'))
    expect(lines).toHaveLength(2)
    const id = (await cnm.sandbox('busy').endpoints())[0]?.id ?? ''
    const line = lines.find((it) => it.includes(id)) ?? ''
    expect(line).toContain('limit rate over 7/second burst 35 packets')
    const [, bridge = '', mac = ''] = /{ (\S+) \. (\S+) /.exec(line) ?? []
    const events = (await cnm.events())[Symbol.asyncIterator]()
    const told = events.next()
    rig.kernel.sendIntoSet('inet cnm flows_limited', [bridge, mac])
    await vi.waitFor(() => {
      vi.advanceTimersByTime(10_000)
      return expect(cnm.doctor()).resolves.toHaveLength(1)
    })
    const attributes = { network: 'web', sandbox: 'busy', newFlowsPerSecond: '7' }
    const event = { type: 'endpoint', action: 'limit', name: 'busy', attributes }
    expect((await told).value).toMatchObject(event)
    expect(await cnm.doctor()).toMatchObject([{ kind: 'limited', mended: false }])
  } finally {
    vi.useRealTimers()
  }
})

it('tells of those that share the limit of their network', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    await cnm.createNetwork({ name: 'vms', options: { newFlowsPerSecond: 7 } })
    await cnm.createSandbox({ name: 'nested', connect: [{ network: 'vms', macs: 'any' }] })
    const lines = rig.kernel.lines().filter((it) => /element inet cnm flow_limits/.test(it))
    expect(lines).toEqual([expect.stringContaining('flow_limits_rest')])
    const [, bridge = ''] = /{ (\S+) /.exec(lines[0] ?? '') ?? []
    const told = (await cnm.events())[Symbol.asyncIterator]().next()
    rig.kernel.sendIntoSet('inet cnm flows_limited_rest', [bridge])
    expect(await cnm.doctor()).toMatchObject([
      { kind: 'limited', detail: expect.stringContaining('network "vms"'), mended: false },
    ])
    vi.advanceTimersByTime(10_000)
    const attributes = { newFlowsPerSecond: '7' }
    expect((await told).value).toMatchObject({ type: 'network', action: 'limit', attributes })
  } finally {
    vi.useRealTimers()
  }
})
