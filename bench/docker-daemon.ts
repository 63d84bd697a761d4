import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectionsProgram, inside, pathOf, stop } from './traffic-subject.ts'

/** A real dockerd on a host of its own, with all it has in a folder, without its proxy. */
export class DockerDaemon {
  readonly socketPath: string
  readonly #folder: string
  readonly #start: () => ChildProcess
  #process: ChildProcess

  /** With `plugins` it finds those of that folder. */
  constructor(folder: string, host: string, more: readonly string[] = [], plugins?: string) {
    this.#folder = folder
    this.socketPath = `${folder}/docker.sock`
    const options = [
      `--host=unix://${this.socketPath}`,
      `--data-root=${folder}/data`,
      `--exec-root=${folder}/exec`,
      `--pidfile=${folder}/pid`,
      '--storage-driver=vfs',
      '--userland-proxy=false',
      ...more,
    ]
    const log = openSync(`${folder}/log`, 'w')
    inside(host, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    this.#start = () => {
      const argv = plugins === undefined ? ['dockerd'] : beside(plugins)
      return spawn('nsenter', [`--net=${pathOf(host)}`, ...argv, ...options], {
        stdio: ['ignore', log, log],
      })
    }
    this.#process = this.#start()
  }

  static isInstalled(): boolean {
    try {
      execFileSync('sh', ['-c', 'command -v dockerd && command -v docker'])
      return true
    } catch {
      return false
    }
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** Kills it and starts another one, which may not answer yet. */
  async replace(): Promise<void> {
    await stop(this.#process)
    this.#process = this.#start()
  }

  async answers(): Promise<void> {
    for (let tries = 0; tries < 600; tries++) {
      try {
        this.docker('version')
        return
      } catch {
        await sleep(100)
      }
    }
    throw new Error('dockerd does not answer after a minute')
  }

  /** One static program that does nothing in a container: what serves or asks is started from outside. */
  importImage(folder: string): void {
    cpSync(connectionsProgram, `${folder}/connections`)
    execFileSync('tar', ['-C', folder, '-cf', `${folder}/image.tar`, 'connections'])
    this.docker('import', `${folder}/image.tar`, 'bench')
  }

  run(name: string, ...options: readonly string[]): void {
    const idle = ['/connections', 'serve', '127.0.0.1', '9', '1']
    this.docker('run', '--detach', '--name', name, ...options, 'bench', ...idle)
  }

  namespaceOf(name: string): string {
    const pid = this.docker('inspect', '--format', '{{.State.Pid}}', name).trim()
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

  docker(...args: readonly string[]): string {
    return execFileSync('docker', ['-H', `unix://${this.socketPath}`, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 180_000,
    })
  }
}

/** A dockerd in whose place for plugins that folder is. */
function beside(plugins: string): readonly string[] {
  const place = '/run/docker/plugins'
  const mounts = `mount -t tmpfs tmpfs /run && mkdir -p ${place} && mount --bind "$0" ${place}`
  const script = `${mounts} && exec dockerd "$@"`
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, plugins]
}
