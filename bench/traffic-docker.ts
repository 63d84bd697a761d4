import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { prepared } from './session.ts'
import {
  connectionsProgram,
  IPERF,
  inside,
  ip,
  makeHost,
  pathOf,
  SERVED,
  serve,
  serving,
  stop,
  type TrafficSubject,
} from './traffic-subject.ts'

/**
 * A container of a real dockerd on a host of its own, without its proxy. What serves is started in its
 * network namespace; the image is one static program that does nothing there. undefined: there is no
 * dockerd here.
 */
export async function docker(folder: string): Promise<TrafficSubject | undefined> {
  if (!isInstalled('dockerd')) return undefined
  const { host, outside } = makeHost('docker')
  const daemon = new Daemon(prepared(folder, 'memory/docker'), host)
  await daemon.answers()
  daemon.importImage(prepared(folder, 'memory/image'))
  daemon.run('serve', [`8080:${SERVED}`, `${IPERF}:${IPERF}`])
  const namespace = daemon.namespaceOf('serve')
  const servers = [
    await serve(namespace, serving.connections),
    await serve(namespace, serving.iperf),
  ]
  return {
    name: 'docker, published port',
    outside,
    connections: { address: '192.0.2.1', port: 8080 },
    iperf: { address: '192.0.2.1', port: IPERF },
    fill: () => daemon.run('crowd', ['20000-20998:30000-30998']),
    async close() {
      for (const server of servers) await stop(server)
      await daemon.stop(['serve', 'crowd'])
      for (const name of [host, outside]) ip('netns', 'del', name)
    },
  }
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`])
    return true
  } catch {
    return false
  }
}

class Daemon {
  readonly #socket: string
  readonly #process: ChildProcess
  readonly #folder: string

  constructor(folder: string, host: string) {
    this.#folder = folder
    this.#socket = `unix://${folder}/docker.sock`
    const options = [
      `--host=${this.#socket}`,
      `--data-root=${folder}/data`,
      `--exec-root=${folder}/exec`,
      `--pidfile=${folder}/pid`,
      '--storage-driver=vfs',
      '--userland-proxy=false',
    ]
    const log = openSync(`${folder}/log`, 'w')
    inside(host, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    this.#process = spawn('nsenter', [`--net=${pathOf(host)}`, 'dockerd', ...options], {
      stdio: ['ignore', log, log],
    })
  }

  async answers(): Promise<void> {
    for (let tries = 0; tries < 600; tries++) {
      try {
        this.#docker('version')
        return
      } catch {
        await sleep(100)
      }
    }
    throw new Error('dockerd does not answer after a minute')
  }

  importImage(folder: string): void {
    cpSync(connectionsProgram, `${folder}/connections`)
    execFileSync('tar', ['-C', folder, '-cf', `${folder}/image.tar`, 'connections'])
    this.#docker('import', `${folder}/image.tar`, 'bench')
  }

  run(name: string, ports: readonly string[]): void {
    const publish = ports.flatMap((port) => ['--publish', port])
    const idle = ['/connections', 'serve', '127.0.0.1', '9', '1']
    this.#docker('run', '--detach', '--name', name, ...publish, 'bench', ...idle)
  }

  namespaceOf(name: string): string {
    const pid = this.#docker('inspect', '--format', '{{.State.Pid}}', name).trim()
    return `/proc/${pid}/ns/net`
  }

  /** Its containers are killed, not removed: taking a thousand rules away would take a minute. */
  async stop(names: readonly string[]): Promise<void> {
    const pids = names.map((name) => this.namespaceOf(name).split('/')[2])
    await stop(this.#process)
    for (const pid of pids) if (Number(pid) > 0) process.kill(Number(pid), 'SIGKILL')
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
    for (const path of mounts.map((line) => line.split(' ')[1] ?? '')) {
      if (path.startsWith(`${this.#folder}/`)) execFileSync('umount', ['--lazy', path])
    }
  }

  #docker(...args: readonly string[]): string {
    return execFileSync('docker', ['-H', this.#socket, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 180_000,
    })
  }
}
