import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { dockerApi } from '#dist/front/docker/docker.js'
import type { LocalController } from '#dist/linux/library.js'
import { compare, type Difference } from '../support/docker-compare.ts'
import { DockerDaemon, hasDocker } from '../support/docker-daemon.ts'
import { engineRig } from '../support/engine-rig.ts'
import { finish } from '../support/finish.ts'

// The stock docker command says the same of our engine as of a real dockerd.

const commands = [
  // Networks
  'network create --subnet 10.9.0.0/24 web',
  'network create --label env=dev --attachable --opt com.docker.network.bridge.enable_icc=false --subnet 10.8.0.0/24 --ip-range 10.8.0.128/25 --gateway 10.8.0.1 --aux-address router=10.8.0.5 --ipam-opt a=b full',
  'network create --internal --ipv6 --subnet fd00:9::/64 six',
  'network create plain',
  'network ls',
  "network ls --no-trunc --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}} {{.Labels}}'",
  'network ls --quiet',
  'network ls --filter name=e',
  'network ls --filter name=^web$',
  'network ls --filter driver=null --filter driver=host',
  'network ls --filter label=env=dev',
  'network ls --filter type=custom --filter dangling=true',
  'network ls --filter scope=swarm',
  'network ls --filter id={web}',
  'network inspect web full six',
  'network inspect bridge host none',
  'network inspect {web}',
  "network inspect --verbose --format '{{.Name}} {{.Driver}} {{.Internal}}' web six",
  // Who is on them
  'network connect --ip 10.9.0.7 --alias front web c1',
  'network connect {full} c1',
  'network inspect web',
  "network inspect --format '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' web",
  "ps --all --format '{{.Names}} {{.State}}'",
  "ps --filter network=web --format '{{.Names}}'",
  "ps --filter network=nowhere --format '{{.Names}}'",
  "ps --filter network={web} --format '{{.Names}}'",
  "inspect --format '{{.Name}} {{.NetworkSettings.Networks.web.IPAddress}}' c1",
  'network connect web c1',
  'network rm web',
  'network disconnect full c1',
  'network disconnect full c1',
  // Mistakes
  'network create web',
  'network create bridge',
  'network create',
  'network create --subnet 10.9.0.0/25 other',
  'network create --subnet bad other',
  'network create --subnet 10.7.0.0/24 --gateway 10.6.0.1 other',
  'network create --opt com.docker.network.bridge.enable_icc=maybe other',
  'network create --driver host other',
  'network create --driver null other',
  'network create --driver overlay other',
  'network create --scope swarm other',
  'network create --ingress other',
  'network connect nowhere c1',
  'network connect web nobody',
  'network connect host c1',
  'network connect none c1',
  'network connect --ip 10.9.0.1 plain c1',
  'network connect --ip 10.10.0.1 full c1',
  'network connect --ip 10.8.0.1 full c1',
  'network connect --alias x bridge c1',
  'network disconnect web nobody',
  'network disconnect --force web nobody',
  'network disconnect nowhere c1',
  'network inspect nowhere',
  'network inspect web nowhere',
  'network rm nowhere',
  'network rm --force nowhere',
  'network rm bridge',
  'network rm none host',
  'network ls --filter bad=x',
  'network ls --filter dangling=maybe',
  'network ls --filter type=odd',
  'network prune --force --filter bad=x',
  'network prune --force --filter until=odd',
  // The end
  'network prune --force --filter label=nothing',
  'network prune --force --filter label!=env',
  'network rm full',
  'network disconnect web c1',
  'network rm {web}',
  'network ls',
  // What happened
  'network create quiet',
  'network connect quiet c1',
  'network disconnect quiet c1',
  'network rm quiet',
  "events --since 2020-01-01T00:00:00Z --until -1s --filter type=network --filter network=quiet --filter event=create --filter event=connect --filter event=destroy --format '{{json .}}'",
  "events --since 2020-01-01T00:00:00Z --until -1s --filter type=network --filter network=quiet --filter event=disconnect --format '{{.Action}} {{.Actor.Attributes.name}}'",
  "events --since 2020-01-01T00:00:00Z --until -1s --filter type=network --filter event=destroy --filter event=prune --format '{{.Action}} {{.Actor.Attributes.name}}'",
  "version --format '{{.Server.Os}} {{.Server.Arch}} {{.Server.KernelVersion}}'",
  "info --format '{{.OSType}} {{.ContainersRunning}} {{.Swarm.LocalNodeState}}'",
]

interface Allowed {
  readonly why: string
  readonly command: RegExp
  readonly at: RegExp
  /** What we say there. */
  readonly ours: RegExp
}

const allowed: readonly Allowed[] = [
  {
    why: 'newer versions of Docker have this field',
    command: /^network inspect/,
    at: /^\d\.EnableIPv4$/,
    ours: /^true$/,
  },
  {
    why: 'newer versions of Docker show the gateway that was chosen',
    command: /^network inspect/,
    at: /^\d\.IPAM\.Config\.\d\.Gateway$/,
    ours: /^[\da-f.:]+1$/,
  },
  {
    why: 'subnets that nobody named come from other ranges, so that both engines fit on one host',
    command: /^network inspect (web full six|bridge)/,
    at: /^\d\.IPAM\.Config\.\d\.Subnet$|^0\.Containers\.<id>\.IPv4Address$/,
    ours: /^10\.100\.\d\.\d\/24$/,
  },
  {
    why: "docker0 is Docker's device, with an MTU of its own; ours takes that of the way out",
    command: /^network inspect bridge/,
    at: /^0\.Options\.com\.docker\.network\.(bridge\.name|driver\.mtu)$/,
    ours: /^undefined$/,
  },
  {
    why: 'newer versions of Docker say this',
    command: /^network (rm web|create --subnet bad|connect --alias|ls --filter bad|prune .*bad)/,
    at: /^stderr$/,
    ours: /has active endpoints \(name:"c1"|: invalid CIDR block|network-scoped aliases are only|invalid filter 'bad'/,
  },
  {
    why: 'ours says what it overlaps with, and who holds it',
    command: /^network (create --subnet 10\.9\.0\.0\/25|connect --ip 10\.8\.0\.1)/,
    at: /^stderr$/,
    ours: /Pool overlaps with other one on this address space: |Address already in use: /,
  },
  {
    why: "ours says it in its own words, which fit what is wrong; Docker's are of Go or tell to start a swarm",
    command: /^network (create --(opt|driver overlay)|connect --ip 10\.(9|10)\.0\.1)/,
    at: /^stderr$/,
    ours: /option "icc" is "maybe"; give true or false|not a swarm manager|is outside 10\./,
  },
  {
    why: 'older versions of Docker tell it twice',
    command: /^events .*event=disconnect/,
    at: /^stdout$/,
    ours: /^(disconnect quiet\s?)+$/,
  },
]

const hasPython = (await finish(['python3', '-c', 'import docker'])).code === 0

/** Different versions may be there. */
const found = await finish(['sh', '-c', 'which -a docker | xargs -r realpath | sort -u'])
const clients = found.stdout.split('\n').filter((path) => path !== '')

interface Served extends AsyncDisposable {
  readonly cnm: LocalController
  readonly socket: string
}

/** Docker's API for an engine on a throw-away host. */
async function serve(): Promise<Served> {
  const rig = await engineRig({ internet: true })
  const cnm = await rig.start()
  const api = dockerApi({ controller: cnm, version: '0.0.0' })
  await api.ready()
  const socket = join(rig.host.folder, 'docker.sock')
  const server = createServer(api.handle)
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    cnm,
    socket,
    async [Symbol.asyncDispose]() {
      await api.close()
      server.close()
      server.closeAllConnections()
      await rig[Symbol.asyncDispose]()
    },
  }
}

it.skipIf(!hasDocker)('says the same to docker as dockerd', { timeout: 300_000 }, async () => {
  await using peer = await DockerDaemon.start()
  await peer.startContainer('c1')
  await using ours = await serve()
  await ours.cnm.createSandbox({ name: 'c1', connect: [{ network: 'bridge' }] })
  const sockets = { ours: ours.socket, theirs: peer.socket }
  const differences: Difference[] = []
  for (const client of clients) {
    for (const command of commands) {
      differences.push(...(await compare(client, sockets, command)))
    }
    // These say much that is no business of a network engine.
    const [version, info, ps] = await Promise.all(
      ['version', 'info', 'ps'].map((it) => finish([client, '-H', `unix://${ours.socket}`, it])),
    )
    expect(version).toMatchObject({ code: 0, stderr: '' })
    expect(info).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^this is a network engine.*\n$/),
    })
    expect(ps).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('c1') })
  }
  const told = [...new Set(differences.map(textOf))]
  console.log(`differences:\n${told.join('\n')}`)
  expect(differences.filter((each) => !isAllowed(each)).map(textOf)).toEqual([])
})

function isAllowed({ command, at, ours }: Difference): boolean {
  return allowed.some(
    (each) => each.command.test(command) && each.at.test(at) && each.ours.test(String(ours)),
  )
}

function textOf({ command, at, ours, theirs }: Difference): string {
  return `docker ${command}: ${at}: ${JSON.stringify({ ours, theirs })}`
}

/** A day in the life of Docker's library for Python. */
const story = `
import docker, sys
client = docker.DockerClient(base_url='unix://' + sys.argv[1])
pool = docker.types.IPAMPool(subnet='10.9.0.0/24', gateway='10.9.0.1')
web = client.networks.create('web', ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={'a': 'b'})
assert [n.name for n in client.networks.list(filters={'label': 'a=b'})] == ['web']
box = client.containers.get('c1')
web.connect(box, aliases=['front'], ipv4_address='10.9.0.7')
web.reload()
assert [c.name for c in web.containers] == ['c1'], web.containers
box.reload()
assert box.attrs['NetworkSettings']['Networks']['web']['IPAddress'] == '10.9.0.7'
assert [c.name for c in client.containers.list()] == ['c1']
try:
    web.remove()
    assert False
except docker.errors.APIError as error:
    assert error.status_code == 403 and 'has active endpoints' in error.explanation, error
web.disconnect('c1')
web.remove()
try:
    client.networks.get('web')
    assert False
except docker.errors.NotFound as error:
    assert error.explanation == 'network web not found', error.explanation
events = client.events(since=0, until=0, decode=True, filters={'network': 'web'})
assert [e['Action'] for e in events] == ['create', 'connect', 'disconnect', 'destroy']
client.networks.create('plain')
assert client.networks.prune() == {'NetworksDeleted': ['plain']}
`

it.skipIf(!hasPython)("does what Docker's library for Python asks", async () => {
  await using ours = await serve()
  await ours.cnm.createSandbox({ name: 'c1' })
  expect(await finish(['python3', '-c', story, ours.socket])).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  })
})
