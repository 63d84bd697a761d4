import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { DaemonProcess } from './daemon-process.ts'
import { DockerDaemon, type DockerOptions } from './docker-daemon.ts'
import type { ThrowAwayHost } from './host.ts'

interface Known {
  readonly id: string
  readonly name: string
  readonly network?: string
  readonly runtime?: string
  readonly ports?: readonly { readonly hostPorts?: { readonly from: number } }[]
}

export interface PluginOptions extends DockerOptions {
  /** That of our daemon. */
  readonly config?: object
  /** The `cnm` with which it begins. Default: the one that was built here. */
  readonly program?: string
}

/** A real dockerd, and our daemon as its plugin, on one throw-away host. */
export class DockerPluginRig implements AsyncDisposable {
  readonly docker: DockerDaemon
  cnm: DaemonProcess
  readonly #start: (program?: string) => Promise<DaemonProcess>
  readonly #before: readonly string[]

  private constructor(
    docker: DockerDaemon,
    start: (program?: string) => Promise<DaemonProcess>,
    cnm: DaemonProcess,
    before: readonly string[],
  ) {
    this.docker = docker
    this.cnm = cnm
    this.#start = start
    this.#before = before
  }

  static async start({ config = {}, program: first, ...options }: PluginOptions = {}) {
    const docker = await DockerDaemon.start(options)
    const { host } = docker
    const file = join(host.folder, 'daemon.json')
    await writeFile(
      file,
      JSON.stringify({ dockerPluginDir: join(host.folder, 'plugins'), ...config }),
    )
    const args = ['--config', file]
    const start = (program?: string) => {
      const which = program === undefined ? {} : { program }
      return new DaemonProcess(host, args, which).ready()
    }
    try {
      await docker.importImage()
      return new DockerPluginRig(docker, start, await start(first), await linksOf(host))
    } catch (error) {
      await docker[Symbol.asyncDispose]()
      throw error
    }
  }

  get host(): ThrowAwayHost {
    return this.docker.host
  }

  /** Ends our daemon, and answers when the next one is ready. */
  async replaceDaemon(signal: NodeJS.Signals): Promise<void> {
    this.cnm.kill(signal)
    await this.cnm.ended
    await this.startDaemon()
  }

  /** The one that was built here, or that program. */
  async startDaemon(program?: string): Promise<void> {
    this.cnm = await this.#start(program)
  }

  /** What our daemon has for Docker. */
  async known(what: 'networks' | 'endpoints' | 'sandboxes'): Promise<readonly Known[]> {
    const all = await this.cnm.ask<Known[]>(`GET /v1/${what}`)
    return all.filter(({ runtime }) => runtime === 'docker')
  }

  /** Nothing of Docker's is known to us any more, and nothing of ours is on the host. */
  async expectNothingLeft(): Promise<void> {
    for (const what of ['endpoints', 'sandboxes', 'networks'] as const) {
      await expect.poll(() => this.known(what)).toEqual([])
    }
    await expect.poll(() => linksOf(this.host)).toEqual(this.#before)
    expect(await this.cnm.ask('POST /v1/doctor', {})).toEqual([])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // Without its plugin Docker would wait for it.
      await this.docker.removeContainers()
      await this.cnm.ask('POST /v1/down')
      await this.cnm.stop()
    } finally {
      await this.docker[Symbol.asyncDispose]()
    }
  }
}

async function linksOf(host: ThrowAwayHost): Promise<readonly string[]> {
  const all = await host.ip<{ ifname: string }[]>('-j link')
  return all.map(({ ifname }) => ifname).sort()
}
