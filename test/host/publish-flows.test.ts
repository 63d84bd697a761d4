import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it, vi } from 'vitest'
import type { KnownLocalEndpoint, LocalSandbox, NetworkOptions } from '#dist/linux/library.js'
import { addressOf } from '../support/engine-rig.ts'
import { Guests, type Party, type PartyOptions } from '../support/packet-streams.ts'
import { hostAddress, lan, packetWorld } from '../support/packet-world.ts'
import { protocols, serve } from '../support/packets.ts'

const enough = 100
const patience = { timeout: 10_000, interval: 20 }
const ports = ['90:90/tcp', '90:90/udp']
const families = ['ipv4', 'ipv6'] as const
const program = fileURLToPath(new URL('../support/publish-child.mjs', import.meta.url))

const ends: readonly (readonly [
  string,
  (first: KnownLocalEndpoint, box: LocalSandbox) => Promise<void>,
])[] = [
  ['unpublish', (first) => first.unpublish(ports)],
  ['leave', (first) => first.leave()],
  ['delete', (_, box) => box.delete()],
]

const cases = families.flatMap((family) =>
  ([0, 1] as const).flatMap((callIptables) =>
    ends.map(([name, end]) => {
      const title = `${name} (${family}, bridge-nf-call-iptables=${callIptables})`
      return [title, { family, callIptables, end }] as const
    }),
  ),
)

it.each(cases)(
  'ends what was forwarded, both ways: %s',
  async (_, { family, callIptables, end }) => {
    await using world = await packetWorld({ callIptables })
    await world.engine.createNetwork({ name: 'web', ipv6: true })
    const make = (name: string) => world.createSandbox(name, { connect: [{ network: 'web' }] })
    const [old, next] = [await make('old'), await make('next')]
    const [first, second] = [(await old.endpoints())[0]!, (await next.endpoints())[0]!]
    await first.publish(ports)
    using guests = new Guests()
    const [oldPath, nextPath] = [await world.path(old), await world.path(next)]
    const [lanPath, to] = [await world.path('lan'), hostAddress[family]]
    const all = protocols.map((protocol) => {
      const wait = { protocol, family, port: 90 } as const
      const join = (options: Pick<PartyOptions, 'path' | 'name' | 'to'>) =>
        guests.welcome({ ...wait, ...options })
      const call = () => join({ path: lanPath, name: 'caller', to })
      return {
        protocol,
        call,
        oldServer: join({ path: oldPath, name: 'old' }),
        nextServer: join({ path: nextPath, name: 'next' }),
        caller: call(),
      }
    })
    await Promise.all(
      all.flatMap((each) => [hears(each.caller, 'old'), hears(each.oldServer, 'caller')]),
    )
    await end(first, old)
    const ended = performance.now()
    await Promise.all(all.flatMap((each) => [speaks(each.caller), speaks(each.oldServer)]))
    await second.publish(ports)
    await Promise.all(
      all.flatMap(({ protocol, caller, call, nextServer }) => [
        // A connection is lost; whoever sends datagrams just goes on.
        hears(protocol === 'tcp' ? call() : caller, 'next'),
        hears(nextServer, 'caller'),
      ]),
    )
    const late = ({ heard }: Party) =>
      heard.filter(({ from, saidAt }) => from !== 'next' && saidAt > ended)
    expect(all.flatMap(({ caller, oldServer }) => [...late(caller), ...late(oldServer)])).toEqual(
      [],
    )
  },
)

const direct: readonly (readonly [string, NetworkOptions['options']])[] = [
  ['routed', { gatewayMode4: 'routed', gatewayMode6: 'routed' }],
  ['trusted', { trustedInterfaces: lan.link }],
]

it.each(direct.flatMap(([name, options]) => families.map((it) => [name, it, options] as const)))(
  'ends what came to the sandbox itself, both ways: %s (%s)',
  async (_, family, options) => {
    await using world = await packetWorld()
    await world.engine.createNetwork({ name: 'web', ipv6: true, options: options ?? {} })
    const box = await world.createSandbox('box', { connect: [{ network: 'web' }] })
    const endpoint = (await box.endpoints())[0]!
    await endpoint.publish(ports)
    using guests = new Guests()
    const [lanPath, boxPath] = [await world.path('lan'), await world.path(box)]
    const to = await addressOf(box, family)
    const all = protocols.map((protocol) => {
      const wait = { protocol, family, port: 90 } as const
      const call = () => guests.welcome({ ...wait, path: lanPath, name: 'caller', to })
      const server = guests.welcome({ ...wait, path: boxPath, name: 'server' })
      return { protocol, server, call, caller: call() }
    })
    const talk = all.flatMap(({ caller, server }) => [
      hears(caller, 'server'),
      hears(server, 'caller'),
    ])
    await Promise.all(talk)
    await endpoint.unpublish(ports)
    const ended = performance.now()
    await Promise.all(all.flatMap(({ caller, server }) => [speaks(caller), speaks(server)]))
    const late = ({ heard }: Party) => heard.filter(({ saidAt }) => saidAt > ended)
    expect(all.flatMap(({ caller, server }) => [...late(caller), ...late(server)])).toEqual([])
    await endpoint.publish(ports)
    // A connection may have been given up; whoever sends datagrams just goes on.
    await Promise.all(
      all.map(({ protocol, caller, call }) =>
        hears(protocol === 'tcp' ? call() : caller, 'server', performance.now()),
      ),
    )
  },
)

it('is published on when the engine is killed, and by the next engine', async () => {
  await using world = await packetWorld()
  await world.engine.close()
  const { folder, netns } = world.host
  const child = spawn(process.execPath, [program, folder, netns])
  const errors = text(child.stderr)
  const ended = once(child, 'exit')
  const ready = await Promise.race([once(child.stdout, 'data'), ended.then(() => undefined)])
  if (ready === undefined) throw new Error(await errors)
  const [name] = await readdir(`${folder}/run/netns`)
  await using _ = serve(`${folder}/run/netns/${name}`, 'api', [80])
  const whoAnswers = async (from: 'lan' | 'host', to: string) =>
    (await world.ask({ from, to, what: 'tcp', port: 8080, expected: true }))?.who
  const everywhere = () =>
    Promise.all([
      whoAnswers('lan', hostAddress.ipv4),
      whoAnswers('lan', hostAddress.ipv6),
      whoAnswers('host', '127.0.0.1'),
    ])
  expect(await everywhere()).toEqual(['api', 'api', 'api'])
  child.kill('SIGKILL')
  await ended
  expect(await everywhere()).toEqual(['api', 'api', 'api'])
  await world.start()
  expect(await everywhere()).toEqual(['api', 'api', 'api'])
  // What the kernel can't forward is passed on by the engine itself.
  expect(await whoAnswers('host', '::1')).toBe('api')
  await (await world.engine.sandbox('api').endpoints())[0]?.unpublish(['8080:80'])
  const asked = { what: 'tcp', port: 8080, expected: false } as const
  expect(await world.ask({ ...asked, from: 'lan', to: hostAddress.ipv4 })).toBeUndefined()
  expect(await world.ask({ ...asked, from: 'host', to: '::1' })).toBeUndefined()
})

async function hears(listener: Party, from: string, since = 0): Promise<void> {
  const isIt = (one: Party['heard'][number]) => one.from === from && one.saidAt >= since
  const count = () => listener.heard.filter(isIt).length
  await vi.waitFor(() => expect(count()).toBeGreaterThan(enough), patience)
}

/** Waits until somebody has said as much again. */
async function speaks(speaker: Party): Promise<void> {
  const before = speaker.said
  await vi.waitFor(() => expect(speaker.said - before).toBeGreaterThan(enough), patience)
}
