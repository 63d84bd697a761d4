import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  EngineOptions,
  KnownLocalSandbox,
  LocalController,
  LocalSandbox,
} from '#dist/linux/library.js'
import { type EngineRig, engineRig } from './engine-rig.ts'
import { uplink } from './host.ts'
import { Upstream } from './upstream.ts'

/** A throw-away host whose resolv.conf names a server in the internet, and an engine on it. */
export class NamesWorld implements AsyncDisposable {
  readonly rig: EngineRig
  readonly upstream: Upstream
  readonly resolvConf: string
  cnm: LocalController
  readonly #further: AsyncDisposable[] = []

  private constructor(
    rig: EngineRig,
    upstream: Upstream,
    resolvConf: string,
    cnm: LocalController,
  ) {
    this.rig = rig
    this.upstream = upstream
    this.resolvConf = resolvConf
    this.cnm = cnm
  }

  static async start(dns: EngineOptions['dns'] = {}): Promise<NamesWorld> {
    const rig = await engineRig({ internet: true })
    const resolvConf = join(rig.host.folder, 'resolv.conf')
    await writeFile(resolvConf, `nameserver ${uplink.gateway4}\n`)
    const upstream = await Upstream.start(rig.host.internet, uplink.gateway4)
    const cnm = await rig.start({ dns: { resolvConf, ...dns } })
    return new NamesWorld(rig, upstream, resolvConf, cnm)
  }

  /** Another address in the internet at which a server answers names. */
  async addUpstream(
    address: string,
    names: Record<string, readonly string[]> = {},
  ): Promise<Upstream> {
    const { host } = this.rig
    await host.inside(host.internet, ['ip', 'addr', 'add', `${address}/32`, 'dev', 'downlink'])
    const upstream = await Upstream.start(host.internet, address, names)
    this.#further.push(upstream)
    return upstream
  }

  /** The host's resolv.conf, from now on. */
  async useServers(...addresses: readonly string[]): Promise<void> {
    await writeFile(this.resolvConf, addresses.map((one) => `nameserver ${one}\n`).join(''))
  }

  box(name: string, ...networks: readonly string[]): Promise<KnownLocalSandbox> {
    return this.cnm.createSandbox({ name, connect: networks.map((network) => ({ network })) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [...this.#further, this.upstream]) await one[Symbol.asyncDispose]()
    await this.rig[Symbol.asyncDispose]()
  }
}

/** Where a sandbox's namespace is. */
export async function namespaceOf(box: LocalSandbox): Promise<string> {
  const path = (await box.inspect()).namespace?.path
  if (path === undefined) throw new Error(`${box.ref} has no namespace`)
  return path
}
