import { DockerDaemon } from './docker-daemon.ts'
import { prefix4, prefix6, type RecordedRules, recordedNetworks } from './docker-recordings.ts'
import { startEcho } from './echo.ts'
import { linkLocal, type ThrowAwayHost, throwAwayHost } from './host.ts'

export type DockerNetwork = keyof typeof recordedNetworks

/** One without published ports, that listens at port 7777. */
export interface Container {
  readonly network: DockerNetwork
  readonly ipv4: string
  readonly ipv6: string
  /** In its network namespace. */
  run(argv: readonly [string, ...string[]]): Promise<string>
}

/** A host with Docker on it: a container on a network of each kind, and one with port 8080 published. */
export interface DockerNetworks extends AsyncDisposable {
  readonly host: ThrowAwayHost
  /** Published by Docker at the host's addresses. */
  readonly published: number
  /** Whether this Docker has routed networks. */
  readonly routes: boolean
  /** The commands of iptables that show a chain DOCKER-USER. */
  readonly asks: readonly string[]
  readonly containers: readonly Container[]
  /** Absent: it is only recorded. */
  readonly daemon?: DockerDaemon
}

const names = Object.keys(recordedNetworks) as DockerNetwork[]

/** As a dockerd of another version would have left it. */
export async function recordedDocker(rules: RecordedRules): Promise<DockerNetworks> {
  const host = await throwAwayHost({ internet: true })
  const echoes: AsyncDisposable[] = []
  const docker = {
    host,
    published: 8080,
    routes: true,
    asks: [],
    containers: [],
    async [Symbol.asyncDispose]() {
      for (const echo of echoes) await echo[Symbol.asyncDispose]()
      await host[Symbol.asyncDispose]()
    },
  }
  try {
    return { ...docker, containers: await addContainers(host, rules, echoes) }
  } catch (error) {
    await docker[Symbol.asyncDispose]()
    throw error
  }
}

async function addContainers(
  host: ThrowAwayHost,
  rules: RecordedRules,
  echoes: AsyncDisposable[],
): Promise<readonly Container[]> {
  const containers: Container[] = []
  await host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
  for (const network of names) {
    const number = recordedNetworks[network]
    const bridge = rules.bridges.get(network)!
    const made = [
      `link add ${bridge} type bridge`,
      ...linkLocal(bridge, 1),
      `addr add ${prefix4(number)}.1/16 dev ${bridge}`,
      `addr add ${prefix6(number)}:1/64 dev ${bridge} nodad`,
      `link set ${bridge} up`,
    ]
    await host.inside(host.netns, ['ip', '-batch', '-'], { input: made.join('\n') })
    // The first has published ports where it was recorded, and the second has none.
    for (const last of network === 'bridge' ? [2, 3] : [3]) {
      const path = await plugIn(host, bridge, number, last, network !== 'internal')
      echoes.push(await startEcho(path, last === 2 ? 80 : undefined))
      if (last === 2) continue
      containers.push({
        network,
        ipv4: `${prefix4(number)}.${last}`,
        ipv6: `${prefix6(number)}:${last}`,
        run: (argv) => host.inside(path, argv),
      })
    }
  }
  await rules.load(host)
  return containers
}

async function plugIn(
  host: ThrowAwayHost,
  bridge: string,
  number: number,
  last: number,
  leaves: boolean,
): Promise<string> {
  const path = await host.createNamespace(`${number}-${last}`)
  const port = `veth${number}x${last}`
  await host.ip(`link add ${port} master ${bridge} type veth peer name eth0 netns ${path}`)
  await host.ip(`link set ${port} up`)
  const inside = [
    ...linkLocal('eth0', last),
    `addr add ${prefix4(number)}.${last}/16 dev eth0`,
    `addr add ${prefix6(number)}:${last}/64 dev eth0 nodad`,
    'link set eth0 up',
    ...(leaves
      ? [`route add default via ${prefix4(number)}.1`, `route add default via ${prefix6(number)}:1`]
      : []),
  ]
  await host.inside(path, ['ip', '-batch', '-'], { input: inside.join('\n') })
  return path
}

const gatewayMode = 'com.docker.network.bridge.gateway_mode_ipv'
const options: Readonly<Record<DockerNetwork, readonly string[]>> = {
  docker0: [],
  bridge: [],
  internal: ['--internal'],
  routed: ['-o', `${gatewayMode}4=routed`, '-o', `${gatewayMode}6=routed`],
  apart: ['-o', 'com.docker.network.bridge.enable_icc=false'],
}

/** A dockerd that is installed. */
export async function realDocker(more: readonly string[] = []): Promise<DockerNetworks> {
  const docker0 = ['--ipv6', `--fixed-cidr-v6=${prefix6(recordedNetworks.docker0)}:/64`]
  const args = ['--experimental', '--ip6tables', ...docker0, ...more]
  const daemon = await DockerDaemon.start({ args })
  try {
    await daemon.importImage()
    for (const network of names) {
      const number = recordedNetworks[network]
      const subnets = ['--subnet', `${prefix4(number)}.0/16`, '--subnet', `${prefix6(number)}:/64`]
      if (network === 'docker0') continue
      const made = [...subnets, ...options[network], dockerName(network)]
      await daemon.docker('network', 'create', '--ipv6', ...made)
    }
    const listens = (port: number) => ['idle', 'httpd', '-f', '-p', `[::]:${port}`]
    await daemon.docker('run', '-d', '--network=plain', '-p', '8080:80', ...listens(80))
    const containers: Container[] = []
    for (const network of names) containers.push(await start(daemon, network, listens(7777)))
    const version = Number.parseInt(await daemon.docker('version', '-f', '{{.Server.Version}}'), 10)
    return {
      host: daemon.host,
      published: 8080,
      routes: version >= 27,
      asks: await userChains(daemon.host),
      containers,
      daemon,
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    }
  } catch (error) {
    await daemon[Symbol.asyncDispose]()
    throw error
  }
}

async function start(
  daemon: DockerDaemon,
  network: DockerNetwork,
  command: readonly string[],
): Promise<Container> {
  const id = await daemon.docker('run', '-d', `--network=${dockerName(network)}`, ...command)
  const said = await daemon.docker(
    'inspect',
    '-f',
    '{{.State.Pid}}{{range .NetworkSettings.Networks}} {{.IPAddress}} {{.GlobalIPv6Address}}{{end}}',
    id,
  )
  const [pid, ipv4, ipv6] = said.split(' ') as [string, string, string]
  return { network, ipv4, ipv6, run: (argv) => daemon.inside(pid, argv) }
}

/** What Docker itself calls `bridge` is the network of docker0. */
function dockerName(network: DockerNetwork): string {
  return network === 'docker0' ? 'bridge' : network === 'bridge' ? 'plain' : network
}

async function userChains(host: ThrowAwayHost): Promise<string[]> {
  const commands = ['iptables-nft', 'ip6tables-nft']
  const said = await host.sh(commands.map((each) => `echo ${each}; ${each} -S FORWARD`).join('; '))
  return commands.filter((each) => new RegExp(`^${each}\n(-.*\n)*.*-j DOCKER-USER`, 'm').test(said))
}
