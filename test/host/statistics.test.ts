import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { shortId } from '#dist/base/id.js'
import type { LinkStatistics } from '#dist/kernel/index.js'
import type { KnownLocalEndpoint, LocalController, Traffic } from '#dist/linux/library.js'
import { addressOf, type EngineRig, engineRig, reaches } from '../support/engine-rig.ts'

interface Counters {
  readonly bytes: number
  readonly packets: number
  readonly dropped: number
  readonly errors: number
}

/** What `ip` says of the host's links, in our words. */
async function oracle({ host }: EngineRig): Promise<ReadonlyMap<string, LinkStatistics>> {
  const links =
    await host.ip<{ ifname: string; stats64: { rx: Counters; tx: Counters } }[]>('-j -s link')
  const only = ({ bytes, packets, dropped, errors }: Counters) => {
    return { bytes, packets, dropped, errors }
  }
  return new Map(
    links.map(({ ifname: name, stats64: { rx, tx } }) => {
      return [name, { name, received: only(rx), sent: only(tx) }]
    }),
  )
}

function seenFromInside(links: ReadonlyMap<string, LinkStatistics>, name: string): Traffic {
  const { received, sent } = links.get(name)!
  return { received: sent, sent: received }
}

const portOf = ({ id }: KnownLocalEndpoint) => `veth${shortId(id, 10)}`

/** What both say of one moment: nothing has passed while they were asked. */
async function both(rig: EngineRig, cnm: LocalController) {
  for (;;) {
    const before = await cnm.statistics()
    const links = await oracle(rig)
    const now = await cnm.statistics()
    if (isDeepStrictEqual(before, now)) return { now, links }
  }
}

const sendsThrice = (address: string) => `
  const socket = require('node:dgram').createSocket('udp4')
  const send = (left) => {
    if (left === 0) socket.close()
    else socket.send(Buffer.alloc(1000), 9, '${address}', () => send(left - 1))
  }
  send(3)`

describe('statistics', () => {
  it('are as ip counts them, to the byte', async () => {
    await using rig = await engineRig()
    const cnm = await rig.start()
    const web = await cnm.createNetwork({ name: 'web', options: { bridge: 'br-web' } })
    const api = await cnm.createSandbox({ name: 'api' })
    const db = await cnm.createSandbox({ name: 'db' })
    const endpoints = [await api.connect(web), await db.connect(web)]
    const before = await cnm.statistics()
    expect(await reaches(api, await addressOf(db))).toBe(true)
    // Nobody listens there: what comes back is shorter, so that directions can't be mixed up.
    await rig.host.inside(rig.host.netns, [
      process.execPath,
      '-e',
      sendsThrice(await addressOf(db)),
    ])

    const { now, links } = await both(rig, cnm)
    expect(now.endpoints.map(({ name }) => name)).toEqual(['api', 'db'])
    for (const [index, endpoint] of endpoints.entries()) {
      const { received, sent } = now.endpoints[index]!
      expect({ received, sent }).toEqual(seenFromInside(links, portOf(endpoint)))
    }
    const [one] = now.networks
    expect(now.networks).toHaveLength(1)
    expect(one?.bridge).toEqual(seenFromInside(links, 'br-web'))
    const [toApi, toDb] = now.endpoints.map(({ received }) => received)
    expect(one?.endpoints.received.bytes).toBe(toApi!.bytes + toDb!.bytes)
    // Of Ethernet, IP and UDP: 42 bytes each.
    expect(toDb!.bytes - before.endpoints[1]!.received.bytes).toBeGreaterThanOrEqual(3 * 1042)
    expect(toApi!.bytes - before.endpoints[0]!.received.bytes).toBeLessThan(3 * 1042)
    // Bridges count without Ethernet's header.
    const { bridge } = before.networks[0]!
    expect(one!.bridge!.received.bytes - bridge!.received.bytes).toBeGreaterThanOrEqual(3 * 1028)
  })

  it('begin anew with a new link, and end with it', async () => {
    await using rig = await engineRig()
    const cnm = await rig.start()
    const web = await cnm.createNetwork({ name: 'web' })
    const api = await cnm.createSandbox({ name: 'api' })
    const db = await cnm.createSandbox({ name: 'db' })
    const endpoint = await web.createEndpoint({ name: 'api', persistent: true })
    await db.connect(web)
    await endpoint.join(api)
    expect(await reaches(api, await addressOf(db))).toBe(true)
    await endpoint.leave()
    expect((await cnm.statistics()).endpoints.map(({ name }) => name)).toEqual(['db'])
    await endpoint.join(api)
    const { endpoints } = await cnm.statistics()
    expect(endpoints[0]).toMatchObject({ name: 'api', sent: { dropped: 0, errors: 0 } })
    expect(endpoints[0]!.sent.bytes).toBeLessThan(endpoints[1]!.sent.bytes)
  })
})
