import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { finish } from './finish.ts'
import { type ThrowAwayHost, throwAwayHost } from './host.ts'
import { run } from './run.ts'

/** A real dockerd on a throw-away host, with processes, mounts and all its folders of its own. */
export class DockerDaemon implements AsyncDisposable {
  readonly #host: ThrowAwayHost
  readonly #process: ChildProcess

  private constructor(host: ThrowAwayHost, process: ChildProcess) {
    this.#host = host
    this.#process = process
  }

  static async start(): Promise<DockerDaemon> {
    const host = await throwAwayHost({ internet: true })
    const { folder } = host
    await mkdir(join(folder, 'data'))
    const log = await open(join(folder, 'log'), 'w')
    const options = [
      `--host=unix://${folder}/docker.sock`,
      `--data-root=${folder}/data`,
      `--exec-root=${folder}/exec`,
      `--pidfile=${folder}/pid`,
      '--storage-driver=vfs',
    ]
    const script = `mount -t tmpfs tmpfs /run && mount --bind ${folder}/data ${folder}/data && exec dockerd ${options.join(' ')}`
    const own = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child']
    const argv = [...own, '--propagation', 'private', 'sh', '-c', script]
    const child = spawn('nsenter', [`--net=${host.netns}`, 'unshare', ...argv], {
      stdio: ['ignore', log.fd, log.fd],
    })
    await log.close()
    const daemon = new DockerDaemon(host, child)
    try {
      await daemon.#answers()
      return daemon
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
  }

  get socket(): string {
    return join(this.#host.folder, 'docker.sock')
  }

  /** A container that runs until it is removed, of an image with nothing but busybox. */
  async startContainer(name: string): Promise<void> {
    const tar = 'cd "$0" && mkdir -p image/bin && cp "$(command -v busybox)" image/bin && '
    const load = 'tar -C image -cf - . | docker -H "unix://$0/docker.sock" import - idle'
    await run(['sh', '-c', tar + load, this.#host.folder], { timeoutMs: 60_000 })
    const idle = ['idle', '/bin/busybox', 'sleep', '3600']
    await this.#docker(['run', '--detach', '--name', name, ...idle])
  }

  async #answers(): Promise<void> {
    for (let tries = 0; this.#process.exitCode === null && tries < 600; tries++) {
      const { code } = await finish(['docker', '-H', `unix://${this.socket}`, 'version'])
      if (code === 0) return
      await sleep(100)
    }
    throw new Error(
      `dockerd doesn't answer: ${await run(['tail', join(this.#host.folder, 'log')])}`,
    )
  }

  #docker(args: readonly string[]): Promise<string> {
    return run(['docker', '-H', `unix://${this.socket}`, ...args], { timeoutMs: 60_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its cgroups are the machine's.
    const all = await finish(['docker', '-H', `unix://${this.socket}`, 'ps', '-aq'])
    const ids = all.stdout.split('\n').filter((id) => id !== '')
    if (ids.length > 0) await finish(['docker', '-H', `unix://${this.socket}`, 'rm', '-f', ...ids])
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
    await this.#host[Symbol.asyncDispose]()
  }
}
