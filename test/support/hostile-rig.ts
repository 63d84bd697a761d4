import { readFileSync } from 'node:fs'
import { connectController, type KnownSandbox, type RemoteController } from '#dist/client/client.js'
import { type CliHost, cliHost, until } from './cli-host.ts'
import type { DaemonProcess } from './daemon-process.ts'

/** What a start, a look and a mending may take at most, beside whatever else this machine does. */
const MOST_MS = 20_000
/** Longer than any attack here takes on a machine with much else to do. */
const patient = { timeoutMs: 300_000 }
/** By how much the daemon's memory may ever have been larger than that of one which saw no attack. */
const MOST_MORE_KB = 120 * 1024

/**
 * A daemon with two networks, `web` and `back`, and on the first a sandbox `neighbour`. Beside it comes, for
 * each attack, a sandbox `evil`.
 */
export class HostileRig implements AsyncDisposable {
  readonly cnm: CliHost
  readonly #baseKb: number
  #daemon: DaemonProcess
  #client: RemoteController
  #others = 0

  private constructor(cnm: CliHost, daemon: DaemonProcess, client: RemoteController, kb: number) {
    this.cnm = cnm
    this.#daemon = daemon
    this.#client = client
    this.#baseKb = kb
  }

  static async start(args: readonly string[] = []): Promise<HostileRig> {
    const cnm = await cliHost()
    try {
      const daemon = await cnm.daemon(args, patient)
      const client = await connectController({ socket: cnm.socket })
      await client.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
      await client.createNetwork({ name: 'back', subnets: ['10.8.0.0/24'] })
      await client.createSandbox({ name: 'neighbour', connect: [{ network: 'web' }] })
      await client.doctor({ fix: true })
      return new HostileRig(cnm, daemon, client, peakKb(daemon.pid))
    } catch (error) {
      await cnm[Symbol.asyncDispose]()
      throw error
    }
  }

  get client(): RemoteController {
    return this.#client
  }

  evil(): ReturnType<RemoteController['sandbox']> {
    return this.#client.sandbox('evil')
  }

  /** With nothing left of the one before. */
  async newEvil(): Promise<KnownSandbox> {
    for (const box of await this.#client.sandboxes()) {
      if (box.name !== 'neighbour') await box.delete()
    }
    return this.#client.createSandbox({ name: 'evil', connect: [{ network: 'web' }] })
  }

  get daemon(): DaemonProcess {
    return this.#daemon
  }

  /** The namespace of a sandbox, as a path. */
  async namespace(name = 'evil'): Promise<string> {
    const { namespace } = await this.#client.sandbox(name).inspect()
    return namespace!.path
  }

  async file(name: 'hosts' | 'resolvConf' | 'hostname' = 'hosts', box = 'evil'): Promise<string> {
    const { files } = await this.#client.sandbox(box).inspect()
    return files![name]!
  }

  /** Who comes after the attack is attached, and so is the attacker itself. */
  async attach(): Promise<void> {
    const name = `other${this.#others++}`
    await timely('attaching', async () => {
      await this.#client.createSandbox({ name, connect: [{ network: 'web' }] })
      const neighbour = this.#client.sandbox('neighbour')
      const endpoint = await neighbour.connect('back')
      await endpoint.leave()
    })
  }

  async doctor(fix = false) {
    return timely(`doctor${fix ? ' --fix' : ''}`, () => this.#client.doctor({ fix }))
  }

  /**
   * What there is to be mended. What a start couldn't bring back is told until it is read, and that tables of
   * the whole machine are full is about others.
   */
  async left() {
    return (await this.doctor()).filter(({ kind }) => kind !== 'lost' && kind !== 'crowded')
  }

  /** The daemon is killed, and another one takes its place. */
  async restart(args: readonly string[] = []): Promise<void> {
    await this.#client.close()
    this.#daemon.kill('SIGKILL')
    await this.#daemon.ended
    this.#daemon = await timely('the start', () => this.cnm.daemon(args, patient))
    this.#client = await connectController({ socket: this.cnm.socket })
  }

  /** Everything that must work whatever a sandbox has done: until it is gone, and nothing of it is left. */
  async survive(): Promise<void> {
    await this.attach()
    await this.doctor()
    await this.doctor(true)
    await this.restart()
    await this.attach()
    await this.doctor()
    await this.doctor(true)
    for (const box of await this.#client.sandboxes()) {
      if (box.name.startsWith('evil')) await timely(`deleting ${box.name}`, () => box.delete())
    }
    this.expectLittleMemory()
  }

  /** Nothing is left on the host but for those that stay. */
  async linksGo(): Promise<void> {
    const boxes = await this.#client.sandboxes()
    const links = async () => {
      const found = await this.cnm.host.ip<{ ifname: string }[]>('-j link show type veth')
      return found.length
    }
    await until(async () => (await links()) === boxes.length, 'links are left on the host')
  }

  expectLittleMemory(): void {
    const more = peakKb(this.#daemon.pid) - this.#baseKb
    if (more > MOST_MORE_KB) throw new Error(`the daemon had ${more} kB more than without it`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close()
    await this.cnm[Symbol.asyncDispose]()
  }
}

/** Errors: it takes longer than anything here may. */
export async function timely<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const result = await work()
  const took = performance.now() - start
  if (took > MOST_MS) throw new Error(`${what} took ${Math.round(took)} ms`)
  return result
}

function peakKb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1])
}
