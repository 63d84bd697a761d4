import { describe, expect, it, vi } from 'vitest'
import { createController, type LocalController, type LocalSandbox } from '#dist/linux/library.js'
import { hasDocker } from '../support/docker-daemon.ts'
import { type DockerNetworks, realDocker, recordedDocker } from '../support/docker-networks.ts'
import { recordedIptables, recordedNftables } from '../support/docker-recordings.ts'
import { startEcho } from '../support/echo.ts'
import { addressOf } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'

// What Docker keeps apart stays apart from our sandboxes, too; and nothing else is in their way.

vi.setConfig({ testTimeout: 300_000 })

const families = ['ipv4', 'ipv6'] as const
const gateways = { ipv4: uplink.gateway4, ipv6: uplink.gateway6 }
const addresses = { ipv4: uplink.address4, ipv6: uplink.address6 }
const ours = 7780

/** Each way with what is true of it, all tried at once. */
type Ways = readonly (readonly [way: string, isOpen: boolean, tried: () => Promise<boolean>])[]

async function expectWays(ways: Ways): Promise<void> {
  const told = async (of: Ways) =>
    Object.fromEntries(await Promise.all(of.map(async ([way, , tried]) => [way, await tried()])))
  const wanted = (of: Ways) => Object.fromEntries(of.map(([way, isOpen]) => [way, isOpen]))
  const open = ways.filter(([, isOpen]) => isOpen)
  const closed = ways.filter(([, isOpen]) => !isOpen)
  await expect.poll(() => told(open)).toEqual(wanted(open))
  expect(await told(closed)).toEqual(wanted(closed))
}

/** Runs a program in some network namespace. */
type Run = (argv: readonly [string, ...string[]]) => Promise<unknown>

const works = (done: Promise<unknown>) =>
  done.then(
    () => true,
    () => false,
  )

const pings = (run: Run, address: string) => works(run(['ping', '-c', '1', '-W', '1', address]))

const connects = (run: Run, address: string, port: number) =>
  works(run(['timeout', '1', 'bash', '-c', 'exec 3<>/dev/tcp/$0/$1', address, String(port)]))

interface Scene extends AsyncDisposable {
  readonly docker: DockerNetworks
  readonly cnm: LocalController
  readonly a: LocalSandbox
  readonly b: LocalSandbox
}

async function scene(docker: DockerNetworks): Promise<Scene> {
  const things: AsyncDisposable[] = [docker]
  const dispose = async () => {
    for (const thing of things.splice(0).reverse()) await thing[Symbol.asyncDispose]()
  }
  try {
    const { folder, netns } = docker.host
    const folders = { stateDir: `${folder}/state`, runDir: `${folder}/run` }
    const cnm = await createController({ ...folders, host: netns })
    things.push(cnm)
    await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
    const box = (publish: string[]) => cnm.createSandbox({ connect: [{ network: 'web', publish }] })
    const [a, b] = [await box([]), await box([`${ours}:7777`])]
    things.push(await startEcho((await b.inspect()).namespace!.path))
    return { docker, cnm, a, b, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

function ways({ docker, a, b }: Scene): Ways {
  const { host, containers, published, routes } = docker
  const from: Run = async (argv) => host.inside((await a.inspect()).namespace!.path, argv)
  const outside: Run = (argv) => host.inside(host.internet, argv)
  const [plain] = containers.filter(({ network }) => network === 'bridge')
  return families.flatMap((family) => [
    ...containers.flatMap((it): Ways => {
      // A routed network answers pings from anywhere.
      const isOpen = routes && it.network === 'routed'
      return [
        [`${family}: pings ${it.network}`, isOpen, () => pings(from, it[family])],
        [`${family}: connects to ${it.network}`, false, () => connects(from, it[family], 7777)],
      ]
    }),
    [`${family}: Docker's port`, true, () => connects(from, addresses[family], published)],
    [`${family}: the internet`, true, () => pings(from, gateways[family])],
    [`${family}: a neighbour`, true, async () => pings(from, await addressOf(b, family))],
    [`${family}: our port`, true, () => connects(outside, addresses[family], ours)],
    [
      `${family}: our sandbox from Docker`,
      false,
      async () => pings(plain!.run, await addressOf(b, family)),
    ],
    [`${family}: our port from Docker`, true, () => connects(plain!.run, addresses[family], ours)],
  ])
}

async function callIptables({ docker }: Scene, value: 0 | 1): Promise<void> {
  const files = ['iptables', 'ip6tables'].map(
    (each) => `/proc/sys/net/bridge/bridge-nf-call-${each}`,
  )
  await docker.host.sh(files.map((file) => `echo ${value} > ${file}`).join(' && '))
}

/** The uplink becomes a port of a bridge that has its addresses and routes from then on. */
async function bridgeUplink({ docker }: Scene): Promise<void> {
  const { link, address4, address6, gateway4, gateway6 } = uplink
  const lines = [
    'link add br0 type bridge',
    'link set br0 addrgenmode none',
    'addr add fe80::2/64 dev br0 nodad',
    `route del default via ${gateway6} dev ${link}`,
    `addr flush dev ${link}`,
    `link set ${link} master br0`,
    `addr add ${address4}/24 dev br0`,
    `addr add ${address6}/64 dev br0 nodad`,
    'link set br0 up',
    `route add default via ${gateway4}`,
    `route add default via ${gateway6}`,
  ]
  await docker.host.inside(docker.host.netns, ['ip', '-batch', '-'], { input: lines.join('\n') })
}

async function expectApart(world: Scene): Promise<void> {
  for (const value of [0, 1] as const) {
    await callIptables(world, value)
    await expectWays(ways(world))
  }
  await bridgeUplink(world)
  for (const value of [1, 0] as const) {
    await callIptables(world, value)
    await expectWays(ways(world))
  }
}

describe('Docker as it was recorded', () => {
  it.each([
    ['28.5', recordedIptables],
    ['29.1 with nftables', recordedNftables],
  ] as const)('keeps its containers to itself: %s', async (_, rules) => {
    await using world = await scene(await recordedDocker(await rules()))
    await expectApart(world)
    expect(await world.cnm.doctor()).toEqual([])
  })
})

describe.skipIf(!hasDocker)('the Docker that is installed', () => {
  it('keeps its containers to itself, and our rule in its place when it comes back', async () => {
    await using world = await scene(await realDocker(['--live-restore']))
    const { host, daemon, asks } = world.docker
    // Where it has no chain for others, the administrator does what doctor says.
    const commands = (await world.cnm.doctor()).map(({ remedy }) => remedy ?? 'false')
    const wanted =
      asks.length === 2 ? [] : [expect.stringMatching(/^ip6tables -I FORWARD -m mark /)]
    expect(commands).toEqual(wanted)
    for (const command of commands) await host.sh(command.replace('tables', 'tables-nft'))
    await expectApart(world)
    const rules = async (command: string) =>
      (await host.sh(`${command} -S DOCKER-USER`)).trim().split('\n').slice(1)
    const consent =
      '-A DOCKER-USER -m mark --mark 0x1000000/0x1000000 -m comment --comment cnm -j ACCEPT'
    const theirs = '-A DOCKER-USER -i other -j DROP'
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const command of asks) await host.sh(`${command} ${theirs.replace('-A', '-I')}`)
      await daemon!.end(signal)
      await daemon!.begin()
      for (const command of asks) {
        const expected = expect.arrayContaining([theirs, consent])
        await expect.poll(() => rules(command)).toEqual(expected)
        const there = (await rules(command)).filter((rule) => !rule.endsWith('-j RETURN'))
        expect(there.at(-1)).toBe(consent)
        expect(there.filter((rule) => rule === consent)).toHaveLength(1)
      }
      await expectWays(ways(world))
    }
    expect(await world.cnm.doctor()).toEqual([])
  })
})
