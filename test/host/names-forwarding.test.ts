import { rename, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import type { LocalSandbox } from '#dist/linux/library.js'
import { dig } from '../support/dig.ts'
import { addressOf } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'
import { NamesWorld, namespaceOf } from '../support/names-world.ts'
import { eventually } from '../support/sockets.ts'
import { Upstream } from '../support/upstream.ts'

const SERVER_FAILURE = 2

async function worldWithBox(): Promise<{ world: NamesWorld; box: LocalSandbox }> {
  const world = await NamesWorld.start()
  await world.cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  return { world, box: await world.box('box', 'web') }
}

it('asks the servers of the host, from the host, and remembers what they say', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  const { names, asked } = world.upstream
  names['www.example.test'] = ['192.0.2.80', '2001:db8:80::1']
  for (let i = 0; i < 3; i += 1) {
    const { status, answer, flags } = await dig(box, 'www.example.test')
    expect([status, answer]).toEqual(['NOERROR', ['A 192.0.2.80']])
    expect(flags).not.toContain('aa')
  }
  expect((await dig(box, 'WWW.example.test', 'AAAA')).answer).toEqual(['AAAA 2001:db8:80::1'])
  const none = await dig(box, 'none.example.test')
  expect([none.status, none.authority.length]).toEqual(['NXDOMAIN', 1])
  expect((await dig(box, 'none.example.test')).status).toBe('NXDOMAIN')
  expect(asked.map(({ question, from }) => `${question} ${from}`)).toEqual([
    `www.example.test A ${uplink.address4}`,
    `www.example.test AAAA ${uplink.address4}`,
    `none.example.test A ${uplink.address4}`,
  ])
})

it('gets over TCP what is too large, and gives each client what it can take', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  const addresses = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`)
  world.upstream.names['large.example.test'] = addresses
  const cut = await dig(box, 'large.example.test', '+noedns', '+ignore')
  expect(cut.flags).toContain('tc')
  expect((await dig(box, 'large.example.test', '+tcp')).answer).toHaveLength(addresses.length)
  expect(world.upstream.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp'])
})

it('goes to the next server where the first is dead or of no help, and never waits for it', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  const { upstream } = world
  const second = await world.addUpstream('198.51.100.53', { 'a.example.test': ['192.0.2.1'] })
  await world.useServers(uplink.gateway4, '198.51.100.53')
  await eventually(async () => {
    await dig(box, `try${second.asked.length}${performance.now()}.test`)
    upstream.mood = 'silent'
    return second.asked.length > 0
  })
  for (const mood of ['silent', SERVER_FAILURE, 5] as const) {
    upstream.mood = mood
    const name = `${mood}.example.test`
    second.names[name] = ['192.0.2.2']
    // dig gives up after three seconds; a resolver that waits for a dead server takes five.
    expect((await dig(box, name)).answer, name).toEqual(['A 192.0.2.2'])
  }
})

it('says that nobody answers, and why, and what it had before', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  world.upstream.mood = SERVER_FAILURE
  const failed = await dig(box, 'a.example.test')
  expect(failed.status).toBe('SERVFAIL')
  expect(failed.errors.join()).toMatch(/^2[23] /)
  expect(failed.errors.join()).toContain(uplink.gateway4)
  await world.useServers()
  await eventually(async () => {
    const { status, errors } = await dig(box, `${performance.now()}.example.test`)
    return status === 'SERVFAIL' && errors.join().includes('resolv.conf')
  })
})

it.each([
  ['written', (path: string, text: string) => writeFile(path, text)],
  [
    'replaced',
    async (path: string, text: string) => {
      await writeFile(`${path}.new`, text)
      await rename(`${path}.new`, path)
    },
  ],
])('follows a resolv.conf that is %s', async (_, change) => {
  const { world, box } = await worldWithBox()
  await using __ = world
  const second = await world.addUpstream('198.51.100.53')
  await dig(box, 'before.test')
  expect(world.upstream.times('before.test A')).toBe(1)
  await change(world.resolvConf, 'nameserver 198.51.100.53\n')
  const begin = performance.now()
  await eventually(async () => {
    await dig(box, `${performance.now()}.test`)
    return second.asked.length > 0
  })
  expect(performance.now() - begin).toBeLessThan(2000)
})

it('asks an IPv6 server, too', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  await using six = await Upstream.start(world.rig.host.internet, uplink.gateway6, {
    'six.example.test': ['192.0.2.6'],
  })
  await world.useServers(uplink.gateway6)
  await eventually(async () => (await dig(box, 'six.example.test')).answer.length > 0)
  expect(six.asked[0]?.from).toBe(uplink.address6)
})

it('asks a server at a link-local address, over the link that is named', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  const { host } = world.rig
  const names = { 'near.example.test': ['192.0.2.7'] }
  await using near = await Upstream.start(host.internet, '::', names)
  const show: [string, ...string[]] = [
    'ip',
    '-j',
    '-6',
    'addr',
    'show',
    'dev',
    'downlink',
    'scope',
    'link',
  ]
  const [link] = JSON.parse(await host.inside(host.internet, show))
  const { local: address } = link.addr_info.find(({ local }: { local?: string }) => local)
  await world.useServers(`${address}%nowhere`, `${address}%${uplink.link}`)
  await eventually(async () => (await dig(box, 'near.example.test')).answer.length > 0)
  expect(near.asked[0]?.from).toMatch(/^fe80:/)
  expect((await dig(box, '+tcp', 'near.example.test')).answer).toEqual(['A 192.0.2.7'])
})

it('is not held up by several dead servers', async () => {
  const { world } = await worldWithBox()
  await using _ = world
  const dead = ['198.51.100.50', '198.51.100.51', '198.51.100.52']
  for (const address of dead) (await world.addUpstream(address)).mood = 'silent'
  await world.addUpstream('198.51.100.53', { 'a.example.test': ['192.0.2.1'] })
  const dns = [...dead, '198.51.100.53']
  const box = await world.cnm.createSandbox({ dns, connect: [{ network: 'web' }] })
  expect((await dig(box, 'a.example.test')).answer).toEqual(['A 192.0.2.1'])
})

it('asks the servers of endpoint, network and sandbox from inside', async () => {
  const { world } = await worldWithBox()
  await using _ = world
  const { cnm } = world
  const server = await world.box('server', 'web')
  const names = { 'a.example.test': ['192.0.2.1'] }
  // It listens at port 53 of the sandbox's own address, and the resolver goes on beside it.
  await using inside = await Upstream.start(await namespaceOf(server), '0.0.0.0', names)
  const at = await addressOf(server)
  expect((await dig(server, 'box')).status).toBe('NOERROR')
  await cnm.createNetwork({ name: 'own', subnets: ['10.8.0.0/24'], dns: [at] })
  const boxes = [
    await cnm.createSandbox({ connect: [{ network: 'web', dns: [at] }] }),
    await cnm.createSandbox({ dns: [`${at}:53`], connect: [{ network: 'web' }] }),
  ]
  for (const box of boxes) {
    expect((await dig(box, 'a.example.test')).answer).toEqual(['A 192.0.2.1'])
    expect(inside.asked.at(-1)?.from).toBe(await addressOf(box))
  }
  // Another network's server is beyond the sandbox's reach: that is asked from inside, too.
  const apart = await cnm.createSandbox({ connect: [{ network: 'own' }] })
  expect((await dig(apart, 'a.example.test', '+time=6')).status).toBe('SERVFAIL')
  expect(world.upstream.times('a.example.test A')).toBe(0)
})

it('of two networks the one that leads outside counts', async () => {
  const { world, box } = await worldWithBox()
  await using _ = world
  const inner = await world.cnm.createNetwork({ name: 'inner', internal: true })
  const alone = await world.box('alone', 'inner')
  world.upstream.names['www.example.test'] = ['192.0.2.80']
  expect((await dig(alone, 'www.example.test')).status).toBe('REFUSED')
  const [web] = await box.endpoints()
  await box.connect(inner)
  expect((await dig(box, 'www.example.test')).answer).toEqual(['A 192.0.2.80'])
  expect((await dig(box, 'alone')).answer).toEqual([`A ${await addressOf(alone)}`])
  await web?.leave()
  expect((await dig(box, 'www.example.test')).status).toBe('REFUSED')
})
