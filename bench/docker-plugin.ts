import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { DaemonProcess } from './daemon-process.ts'
import { DockerDaemon } from './docker-daemon.ts'
import { firstAnswer } from './first-answer.ts'
import { PluginClock } from './plugin-clock.ts'
import { prepared, session } from './session.ts'
import { median, ms, table } from './statistics.ts'
import { ip, makeHost } from './traffic-subject.ts'

const rounds = Number(process.env.ROUNDS ?? 15)

/** The same dockerd with its own networks, with ours, and with none. */
const kinds = ['none', 'bridge', 'cnm'] as const
type Kind = (typeof kinds)[number]
/** `ours`: of what is in `cnm`, the time in which Docker waits for us. */
type Samples = Record<Kind | 'ours', number[]>

/** Docker's API, without its command, which takes longer than most of what is measured. */
class Docker {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #socketPath: string
  readonly clock: PluginClock

  constructor(socketPath: string, clock: PluginClock) {
    this.#socketPath = socketPath
    this.clock = clock
  }

  ask(method: string, path: string, body?: object): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    const options = { agent: this.#agent, socketPath: this.#socketPath, method, path, headers }
    return new Promise((resolve, reject) => {
      const asked = request(options, async (response) => {
        const said = await text(response)
        if ((response.statusCode ?? 0) < 300) resolve(said)
        else reject(new Error(`${method} ${path}: ${said}`))
      })
      asked.once('error', reject)
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** `docker run -d`; answers with how long it took. */
  run(name: string, network: string, ports: number): Promise<number> {
    const bindings = Array.from({ length: ports }, (_, n) => [
      `${20_000 + n}/tcp`,
      [{ HostPort: String(20_000 + n) }],
    ])
    return timed(async () => {
      await this.ask('POST', `/containers/create?name=${name}`, {
        Image: 'bench',
        Cmd: ['/connections', 'serve', '127.0.0.1', '9', '1'],
        ExposedPorts: Object.fromEntries(bindings.map(([port]) => [port, {}])),
        HostConfig: { NetworkMode: network, PortBindings: Object.fromEntries(bindings) },
      })
      await this.ask('POST', `/containers/${name}/start`)
    })
  }

  /** `docker rm -f` */
  remove(name: string): Promise<number> {
    return timed(() => this.ask('DELETE', `/containers/${name}?force=1`))
  }

  create(name: string, kind: Kind): Promise<number> {
    const ipam = kind === 'cnm' ? { IPAM: { Driver: 'cnm' } } : {}
    return timed(() => this.ask('POST', '/networks/create', { Name: name, Driver: kind, ...ipam }))
  }

  close(): void {
    this.#agent.destroy()
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

const nothing = (): Samples => ({ none: [], bridge: [], cnm: [], ours: [] })

async function sample(
  { clock }: Docker,
  samples: Samples,
  kind: Kind,
  work: () => Promise<number>,
): Promise<void> {
  clock.take()
  samples[kind].push(await work())
  if (kind === 'cnm') samples.ours.push(clock.take())
}

async function runs(docker: Docker, ports: number, times: number) {
  const made = nothing()
  const gone = nothing()
  for (let i = 0; i < times; i++) {
    for (const kind of kinds) {
      const network = kind === 'none' ? 'none' : `net-${kind}`
      await sample(docker, made, kind, () => docker.run('box', network, ports))
      await sample(docker, gone, kind, () => docker.remove('box'))
    }
  }
  const what = `${ports} port${ports === 1 ? '' : 's'}`
  const goal = ports === 1000 ? '≤ 0.01' : '≤ 0.2'
  return [row(`run, ${what}`, made, goal), row(`rm -f, ${what}`, gone, '')]
}

/** A running container, and networks besides those it is on. */
async function networks(docker: Docker) {
  const all = {
    connect: nothing(),
    disconnect: nothing(),
    create: nothing(),
    remove: nothing(),
  }
  await docker.run('box', 'net-bridge', 0)
  for (let i = 0; i < rounds; i++) {
    for (const kind of ['bridge', 'cnm'] as const) {
      const post = (path: string, body?: object) =>
        timed(() => docker.ask(body === undefined ? 'DELETE' : 'POST', path, body))
      const box = { Container: 'box' }
      await sample(docker, all.create, kind, () => docker.create('more', kind))
      await sample(docker, all.connect, kind, () => post('/networks/more/connect', box))
      await sample(docker, all.disconnect, kind, () => post('/networks/more/disconnect', box))
      await sample(docker, all.remove, kind, () => post('/networks/more'))
    }
  }
  await docker.remove('box')
  return [
    row('network connect', all.connect, ''),
    row('network disconnect', all.disconnect, ''),
    row('network create', all.create, ''),
    row('network rm', all.remove, ''),
  ]
}

/**
 * What a network costs is what comes on top of a container without one. Docker's own work for it (the link that is
 * moved, the resolver) is in both; `ours` is the part in which it waits for our answers.
 */
function row(what: string, { none, bridge, cnm, ours }: Samples, goal: string): string[] {
  const baseline = none.length === 0 ? 0 : median(none)
  const [theirs, all] = [median(bridge) - baseline, median(cnm) - baseline]
  const part = median(ours)
  const times = [baseline, theirs, all, part].map(ms)
  return [what, ...times, (all / theirs).toFixed(3), (part / theirs).toFixed(3), goal]
}

const head = [
  'Docker, median ms',
  'none',
  '+ bridge',
  '+ cnm',
  'of that ours',
  'cnm : bridge',
  'ours : bridge',
  'goal',
]

/** `docker run` and `docker network` on our networks, against those on Docker's own. Run by `make bench`. */
await session(async (folder) => {
  if (!DockerDaemon.isInstalled()) return 'there is no dockerd here\n'
  const { host, outside } = makeHost('plugin')
  const plugins = prepared(folder, 'memory/plugins')
  const own = prepared(folder, 'memory/plugin')
  const cnm = new DaemonProcess(folder, 'plugin', host, ['--docker-plugin-dir', own])
  const clock = new PluginClock(`${plugins}/cnm.sock`, `${own}/cnm.sock`)
  const daemon = new DockerDaemon(prepared(folder, 'memory/docker'), host, [], plugins)
  const docker = new Docker(daemon.socketPath, clock)
  try {
    await Promise.all([cnm.answers(), firstAnswer(daemon.socketPath, '/_ping')])
    daemon.importImage(prepared(folder, 'memory/image'))
    for (const kind of ['bridge', 'cnm'] as const) await docker.create(`net-${kind}`, kind)
    await runs(docker, 1, 5)
    const rows = [
      head,
      ...(await runs(docker, 0, rounds)),
      ...(await runs(docker, 1, rounds)),
      ...(await networks(docker)),
      ...(await runs(docker, 1000, 1)),
    ]
    for (const kind of ['bridge', 'cnm'] as const)
      await docker.ask('DELETE', `/networks/net-${kind}`)
    const version = daemon.docker('version', '--format', '{{.Server.Version}}').trim()
    const slowest = `slowest answer of ours: ${ms(clock.slowestMs)} ms`
    return `Docker ${version}\n${table(rows)}\n${slowest}\n`
  } finally {
    docker.close()
    clock.close()
    await daemon.stop([])
    await cnm.stop()
    for (const name of [host, outside]) ip('netns', 'del', name)
  }
})
