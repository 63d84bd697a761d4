import { expect, it, vi } from 'vitest'
import { Guests } from '../support/packet-streams.ts'
import { hostAddress, packetWorld } from '../support/packet-world.ts'

const patience = { timeout: 10_000, interval: 20 }

it.each(['ipv4', 'ipv6'] as const)(
  'forwards what kept coming to a port that was pending (%s)',
  async (family) => {
    await using world = await packetWorld()
    const web = await world.engine.createNetwork({ name: 'web', ipv6: true })
    const more = await world.engine.createNetwork({ name: 'more', ipv6: true })
    const box = await world.createSandbox('box')
    const gateway = await box.connect(more, { gwPriority: 1 })
    const endpoint = await box.connect(web, { publish: ['90:90/udp'] })
    const stateNow = async () => (await endpoint.inspect()).ports.map(({ state }) => state)
    expect(await stateNow()).toEqual(['pending', 'pending'])
    using guests = new Guests()
    const talk = { protocol: 'udp', family, port: 90 } as const
    const server = guests.welcome({ ...talk, path: await world.path(box), name: 'server' })
    const to = hostAddress[family]
    const caller = guests.welcome({ ...talk, path: await world.path('lan'), name: 'caller', to })
    await vi.waitFor(() => expect(caller.said).toBeGreaterThan(100), patience)
    expect(server.heard).toEqual([])
    await gateway.leave()
    expect(await stateNow()).toEqual(['active', 'active'])
    await vi.waitFor(() => expect(caller.heard.length).toBeGreaterThan(0), patience)
  },
)
