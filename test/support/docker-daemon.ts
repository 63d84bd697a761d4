import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exitOf, hasEnded, kill } from './ended.ts'
import { type Finished, finish } from './finish.ts'
import { type ThrowAwayHost, throwAwayHost } from './host.ts'
import { isInstalled } from './installed.ts'
import { run } from './run.ts'

/** Whether one can be started here, with containers. */
export const hasDocker = isInstalled('dockerd', 'docker', 'busybox')

export interface DockerOptions {
  /** Whose it is from then on. Default: a new one. */
  readonly host?: ThrowAwayHost
  /** More options of dockerd. */
  readonly args?: readonly string[]
}

/**
 * A real dockerd on a throw-away host, with processes, mounts and all its folders of its own. What is in
 * the folder `plugins` of the host is in /run/docker/plugins for it, and `specs` in /etc/docker/plugins.
 */
export class DockerDaemon implements AsyncDisposable {
  readonly host: ThrowAwayHost
  readonly #args: readonly string[]
  /** Holds the namespaces, whether dockerd runs or not. */
  readonly #holder: ChildProcess
  #process: ChildProcess | undefined

  private constructor(host: ThrowAwayHost, args: readonly string[], holder: ChildProcess) {
    this.host = host
    this.#args = args
    this.#holder = holder
  }

  static async start(options: DockerOptions = {}): Promise<DockerDaemon> {
    const host = options.host ?? (await throwAwayHost({ internet: true }))
    const { folder } = host
    for (const name of ['data', 'plugins', 'specs']) await mkdir(join(folder, name))
    const script = [
      'mount -t tmpfs tmpfs /run',
      // It would write into the machine's own.
      'cp -a /etc "$0/etc"',
      'mount --bind "$0/etc" /etc',
      'mkdir -p /run/docker/plugins /etc/docker/plugins',
      'mount --bind "$0/plugins" /run/docker/plugins',
      'mount --bind "$0/specs" /etc/docker/plugins',
      'mount --bind "$0/data" "$0/data"',
      'echo ready',
      // A process without a parent is waited for.
      'while :; do sleep 3600 & wait; done',
    ]
    const own = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child']
    const argv = [...own, '--propagation', 'private', 'sh', '-c', script.join(' && '), folder]
    const holder = spawn('nsenter', [`--net=${host.netns}`, 'unshare', ...argv], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const daemon = new DockerDaemon(host, options.args ?? [], holder)
    try {
      await once(holder.stdout!, 'data')
      await daemon.begin()
      return daemon
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
  }

  get socket(): string {
    return join(this.host.folder, 'docker.sock')
  }

  /** Starts dockerd, unless it runs. Resolves when it answers. */
  async begin(): Promise<void> {
    const { folder } = this.host
    const log = await open(join(folder, 'log'), 'a')
    const options = [
      `--host=unix://${folder}/docker.sock`,
      `--data-root=${folder}/data`,
      '--storage-driver=vfs',
      ...this.#args,
    ]
    const inside = [`--target=${await childOf(this.#holder)}`, '--mount', '--pid', '--net']
    this.#process = spawn('nsenter', [...inside, 'dockerd', ...options], {
      // Its containerd writes down what it was doing there, when it was slow.
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', log.fd, log.fd],
    })
    await log.close()
    await this.#answers()
  }

  /** Ends dockerd; what happens to containers is its business. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const process_ = this.#process
    if (process_ === undefined || hasEnded(process_)) return
    process.kill(await childOf(process_), signal)
    await exitOf(process_)
  }

  /** An image `idle` with nothing but busybox. */
  async importImage(): Promise<void> {
    const programs = 'sh sleep ping wget httpd nslookup ip nc cat echo true'.split(' ')
    const link = programs.map((name) => `ln -s busybox image/bin/${name}`).join(' && ')
    const tar = `cd "$0" && mkdir -p image/bin && cp "$(command -v busybox)" image/bin && ${link} && `
    const load = 'tar -C image -cf - . | docker -H "unix://$0/docker.sock" import - idle'
    await run(['sh', '-c', tar + load, this.host.folder], { timeoutMs: 60_000 })
  }

  /** A container that runs until it is removed. */
  async startContainer(name: string, ...options: readonly string[]): Promise<void> {
    if ((await this.docker('images', '-q', 'idle')) === '') await this.importImage()
    const idle = ['idle', 'sleep', '3600']
    await this.docker('run', '--detach', '--name', name, ...options, ...idle)
  }

  /** What it says, without the end of the line. */
  async docker(...args: readonly string[]): Promise<string> {
    const said = await run(['docker', '-H', `unix://${this.socket}`, ...args], {
      timeoutMs: 60_000,
    })
    return said.trim()
  }

  /** The same, whatever comes of it. */
  try(...args: readonly string[]): Promise<Finished> {
    return finish(['docker', '-H', `unix://${this.socket}`, ...args])
  }

  /** A program in the network namespace of a process, by the number that Docker knows it by. */
  async inside(pid: string, argv: readonly string[]): Promise<string> {
    const own = [`--target=${await childOf(this.#holder)}`, '--mount', '--pid']
    return run(['nsenter', ...own, 'nsenter', `--net=/proc/${pid}/ns/net`, ...argv])
  }

  async log(): Promise<string> {
    return readFile(join(this.host.folder, 'log'), 'utf8')
  }

  async #answers(): Promise<void> {
    for (let tries = 0; this.#process?.exitCode === null && tries < 600; tries++) {
      const { code } = await this.try('version')
      if (code === 0) return
      await sleep(100)
    }
    throw new Error(`dockerd doesn't answer: ${(await this.log()).slice(-2000)}`)
  }

  async removeContainers(): Promise<void> {
    const ids = (await this.try('ps', '-aq')).stdout.split('\n').filter((id) => id !== '')
    if (ids.length > 0) await this.try('rm', '-f', ...ids)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Their cgroups are the machine's.
    await this.removeContainers()
    await this.end('SIGKILL')
    await kill(this.#holder)
    await this.host[Symbol.asyncDispose]()
  }
}

/** The process in the namespaces that `unshare` and `nsenter` have made and entered. */
async function childOf({ pid }: ChildProcess): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    if (children.trim() !== '') return Number(children.split(' ')[0])
    await sleep(10)
  }
  throw new Error(`process ${pid} has started no other`)
}
