import { it } from 'vitest'
import type { KnownLocalEndpoint, LocalController } from '#dist/index.js'
import { type FaultStory, survivesFaults } from '../support/fault-story.ts'
import { type ThrowAwayHost, uplink } from '../support/host.ts'

/** A range of equal ports, one at another number, two that are shifted; both families. */
const published = ['8000-8009:8000-8009', '7000:80/udp', '9000-9001:90-91']
const ports = { host: [7000, 8000, 8004, 9000, 9001], inside: [80, 90, 91, 8000, 8004] }

/** Sandbox `api` on an internal network, and one to publish at. */
async function prepared(cnm: LocalController): Promise<void> {
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  await cnm.createNetwork({ name: 'back', internal: true, options: { icc: false } })
  await cnm.createNetwork({ name: 'more', ipv6: true })
  await cnm.createSandbox({ name: 'api', connect: [{ network: 'back' }] })
}

async function publishing(cnm: LocalController): Promise<void> {
  await prepared(cnm)
  await connectWeb(cnm)
}

function connectWeb(cnm: LocalController): Promise<KnownLocalEndpoint> {
  return cnm.sandbox('api').connect(cnm.network('web'), { publish: published })
}

async function on(cnm: LocalController, network: string): Promise<KnownLocalEndpoint> {
  const { id } = cnm.now.network(network)
  const endpoints = await cnm.sandbox('api').endpoints()
  return endpoints.find((each) => each.info.network === id)!
}

function connectMore(cnm: LocalController): Promise<KnownLocalEndpoint> {
  return cnm.sandbox('api').connect(cnm.network('more'), {
    gwPriority: 1,
    publish: ['7001:80', '7002:80/udp', '8010-8011:8000-8001'],
    rate: { toSandbox: '10mbit', fromSandbox: '10mbit' },
  })
}

const morePorts = { host: [7000, 7001, 7002, 8000, 8010, 9001], inside: ports.inside }

const ownPorts = ['10.8.0.2', 'fd00:8::2'].flatMap((to) => [
  { to, protocol: 'tcp' as const, port: 80 },
  { to, protocol: 'udp' as const, port: 8000 },
])

/** Some for one address only, of which one is the relay's alone. */
const more = [
  '1000:80',
  '2000-2009:2000-2009',
  '3000-3001:90-91/udp',
  '127.0.0.1:1001:80',
  '[::1]:1002:80',
]

const stories: readonly FaultStory[] = [
  {
    name: 'a connection with ports',
    prepare: prepared,
    ports,
    act: connectWeb,
    undo: async (cnm) => (await on(cnm, 'web')).leave(),
  },
  {
    name: 'a disconnection with ports',
    prepare: publishing,
    ports,
    act: async (cnm) => (await on(cnm, 'web')).leave(),
    undo: connectWeb,
  },
  {
    name: 'a sandbox with ports deleted',
    prepare: publishing,
    ports: { host: ports.host, inside: [] },
    act: (cnm) => cnm.sandbox('api').delete(),
    undo: (cnm) =>
      cnm.createSandbox({ name: 'api', connect: [{ network: 'web', publish: published }] }),
  },
  {
    name: 'ports published',
    prepare: publishing,
    ports: { host: [1000, 1001, 1002, 2000, 2009, 3001, 8000], inside: [80, 90, 91, 2000, 2009] },
    act: async (cnm) => (await on(cnm, 'web')).publish(more),
    undo: async (cnm) => (await on(cnm, 'web')).unpublish(more),
  },
  {
    name: 'a part of published ports unpublished',
    prepare: publishing,
    ports: { host: [8000, 8003, 8004, 8005, 9000, 9001], inside: [...ports.inside, 8003, 8005] },
    act: async (cnm) =>
      (await on(cnm, 'web')).unpublish(['8004-8005:8004-8005', '0.0.0.0:9000:90']),
    undo: async (cnm) => {
      await (await on(cnm, 'web')).unpublish((await (await on(cnm, 'web')).inspect()).ports)
      await (await on(cnm, 'web')).publish(published)
    },
  },
  {
    name: 'ports that become pending, with a rate',
    prepare: publishing,
    ports: morePorts,
    act: connectMore,
    undo: async (cnm) => (await on(cnm, 'more')).leave(),
  },
  {
    name: 'pending ports that become active',
    prepare: async (cnm) => {
      await publishing(cnm)
      await connectMore(cnm)
    },
    ports: morePorts,
    act: async (cnm) => (await on(cnm, 'more')).leave(),
    undo: connectMore,
  },
  {
    name: 'a rate changed',
    prepare: async (cnm) => {
      await prepared(cnm)
      await cnm.sandbox('api').connect(cnm.network('web'), { rate: { toSandbox: '80mbit' } })
    },
    act: async (cnm) =>
      (await on(cnm, 'web')).update({ rate: { toSandbox: '10mbit', fromSandbox: '20mbit' } }),
    undo: async (cnm) => (await on(cnm, 'web')).update({ rate: { toSandbox: '80mbit' } }),
  },
  {
    name: 'a rate taken away',
    prepare: async (cnm) => {
      const rate = { toSandbox: '80mbit', fromSandbox: 1e6 }
      await prepared(cnm)
      await cnm.sandbox('api').connect(cnm.network('web'), { rate })
    },
    act: async (cnm) => (await on(cnm, 'web')).update({ rate: {} }),
    undo: async (cnm) =>
      (await on(cnm, 'web')).update({ rate: { toSandbox: '80mbit', fromSandbox: 1e6 } }),
  },
  {
    name: 'a connection linked to others that are kept apart',
    prepare: async (cnm) => {
      await prepared(cnm)
      await cnm.createNetwork({ name: 'apart', ipv6: true, options: { icc: false } })
      for (const name of ['db', 'cache']) {
        await cnm.createSandbox({ name, connect: [{ network: 'apart' }] })
      }
    },
    act: (cnm) =>
      cnm.sandbox('api').connect(cnm.network('apart'), {
        links: ['db', 'cache'],
        linkLocal: ['169.254.7.7'],
        sysctls: { 'net.ipv4.conf.IFNAME.log_martians': '1' },
      }),
    undo: async (cnm) => (await on(cnm, 'apart')).leave(),
  },
  {
    name: 'a routed network, with whom it trusts',
    act: (cnm) =>
      cnm.createNetwork({
        name: 'open',
        ipv6: true,
        options: { gatewayMode4: 'routed', gatewayMode6: 'nat', trustedInterfaces: 'uplink:other' },
      }),
    undo: (cnm) => cnm.network('open').delete(),
  },
  {
    name: 'a network that leaves by a given address, beside Docker',
    prepare: (_, host) => addDockerUser(host),
    act: (cnm) =>
      cnm.createNetwork({ name: 'snat', ipv6: true, options: { snat4: '198.51.100.2' } }),
    undo: (cnm) => cnm.network('snat').delete(),
  },
  {
    name: 'ports opened where they are routed',
    prepare: async (cnm, host) => {
      await prepared(cnm)
      const options = { gatewayMode4: 'routed', trustedInterfaces: 'uplink' }
      const subnets = ['10.8.0.0/24', 'fd00:8::/64']
      await cnm.createNetwork({ name: 'open', subnets, options })
      await cnm.sandbox('api').connect(cnm.network('open'), { gwPriority: 1 })
      for (const [subnet, via] of [
        [subnets[0], uplink.address4],
        [subnets[1], uplink.address6],
      ]) {
        await host.inside(host.internet, ['ip', 'route', 'add', subnet!, 'via', via!])
      }
    },
    ports: { host: [7000, 8000], inside: [80, 8000], direct: ownPorts },
    act: async (cnm) => (await on(cnm, 'open')).publish(['7000:80', '8000-8001:8000-8001/udp']),
    undo: async (cnm) => (await on(cnm, 'open')).unpublish(['80', '8000-8001/udp']),
  },
]

async function addDockerUser(host: ThrowAwayHost): Promise<void> {
  for (const command of ['iptables-nft', 'ip6tables-nft']) {
    await host.sh(`${command} -N DOCKER-USER && ${command} -I FORWARD -j DOCKER-USER`)
  }
}

it.each(stories)(
  '$name: whichever kernel call fails, nothing has changed',
  // A busy machine needs a while for each of some dozens of failures.
  { timeout: 180_000 },
  survivesFaults,
)
