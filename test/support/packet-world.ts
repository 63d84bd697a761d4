import type {
  EngineOptions,
  KnownLocalSandbox,
  LocalController,
  LocalSandbox,
  SandboxOptions,
} from '#dist/linux/library.js'
import { EngineRig } from './engine-rig.ts'
import { linkLocal, type ThrowAwayHost, throwAwayHost, uplink } from './host.ts'
import { type Answer, ask, type Question, serve } from './packets.ts'

/** The link of the host behind which is `lan`: the host's end, and the other. */
export const lan = {
  link: 'lan0',
  address4: '203.0.113.1',
  remote4: '203.0.113.2',
  address6: '2001:db8:1::1',
  remote6: '2001:db8:1::2',
} as const

export interface PacketWorldOptions {
  /** Whether br_netfilter lets bridged packets pass the rules for routed ones, too. Default: 0. */
  readonly callIptables?: 0 | 1
  /** true: the host forwards whatever comes, as one with Docker does. Default: false. */
  readonly forwards?: boolean
  readonly engine?: EngineOptions
}

/** The ports that all in this world serve. */
export const servedPorts = [80, 81, 82] as const

/**
 * A host with an engine, the internet behind its default routes, and `lan`: a neighbour on another link
 * that sends everything to the host, 127.0.0.0/8 included. Sandboxes made here answer at all
 * `servedPorts`; all can ask all.
 */
export async function packetWorld(options: PacketWorldOptions = {}): Promise<PacketWorld> {
  const host = await throwAwayHost({ internet: true })
  try {
    await addLan(host)
    const call = options.callIptables ?? 0
    await host.sh(
      `for f in iptables ip6tables; do echo ${call} > /proc/sys/net/bridge/bridge-nf-call-$f; done`,
    )
    if (options.forwards) {
      await host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    }
    const world = new PacketWorld(new EngineRig(host))
    await world.start(options.engine)
    return world
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}

async function addLan(host: ThrowAwayHost): Promise<void> {
  const path = await host.createNamespace('lan')
  const { link, address4, remote4, address6, remote6 } = lan
  const outside = [
    `link add ${link} type veth peer name eth0 netns ${path}`,
    `addr add ${address4}/24 dev ${link}`,
    `addr add ${address6}/64 dev ${link} nodad`,
    ...linkLocal(link, 1),
    `link set ${link} up`,
  ]
  const inside = [
    `addr add ${remote4}/24 dev eth0`,
    `addr add ${remote6}/64 dev eth0 nodad`,
    ...linkLocal('eth0', 2),
    'link set eth0 up',
    `route add default via ${address4}`,
    `route add default via ${address6}`,
    'addr del 127.0.0.1/8 dev lo',
    `route add 127.0.0.0/8 via ${address4}`,
  ]
  await host.inside(host.netns, ['ip', '-batch', '-'], { input: outside.join('\n') })
  await host.inside(path, ['ip', '-batch', '-'], { input: inside.join('\n') })
  await host.inside(path, ['sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1'])
}

/** Who can ask besides the sandboxes. */
export type Place = 'host' | 'lan' | 'internet'

export interface Wish {
  readonly from: LocalSandbox | Place
  readonly what: Question
  readonly to: string
  readonly port?: number
  /** One that should answer gets two seconds for it, the others one attempt. */
  readonly expected: boolean
}

export class PacketWorld implements AsyncDisposable {
  readonly rig: EngineRig
  #engine: LocalController | undefined
  readonly #servers = new Map<string, AsyncDisposable>()

  constructor(rig: EngineRig) {
    this.rig = rig
  }

  get host(): ThrowAwayHost {
    return this.rig.host
  }

  get engine(): LocalController {
    if (this.#engine === undefined) throw new Error('no engine is running')
    return this.#engine
  }

  async start(options: EngineOptions = {}): Promise<LocalController> {
    this.#engine = await this.rig.start(options)
    return this.#engine
  }

  /** Closes the engine, and starts another one on the same machine. */
  async restart(options: EngineOptions = {}): Promise<LocalController> {
    await this.engine.close()
    return this.start(options)
  }

  /** A sandbox whose servers answer with its name. */
  async createSandbox(name: string, options: SandboxOptions = {}): Promise<KnownLocalSandbox> {
    const box = await this.engine.createSandbox({ name, ...options })
    this.#servers.set(name, serve(await this.path(box), name, servedPorts))
    return box
  }

  /** Deletes all sandboxes and networks of the engine. */
  async clear(): Promise<void> {
    for (const box of await this.engine.sandboxes()) await this.deleteSandbox(box)
    const made = (await this.engine.networks()).filter(
      (network) => network.info.driver === 'bridge',
    )
    for (const network of made) await network.delete()
  }

  async deleteSandbox(box: LocalSandbox): Promise<void> {
    const { name } = await box.inspect()
    await this.#servers.get(name)?.[Symbol.asyncDispose]()
    this.#servers.delete(name)
    await box.delete()
  }

  /** Makes a place answer, too, by its name. */
  async serve(place: Place): Promise<AsyncDisposable> {
    return serve(await this.path(place), place, servedPorts)
  }

  async path(who: LocalSandbox | Place): Promise<string> {
    if (typeof who === 'string') return `${this.host.folder}/${who}`
    const path = (await who.inspect()).namespace?.path
    if (path === undefined) throw new Error(`${who.ref} has no namespace of its own`)
    return path
  }

  /** `api 10.0.0.2`: what answers, and as what it sees the client; '' if nothing does. */
  async told(
    from: Wish['from'],
    to: string,
    port: number,
    what: Question = 'tcp',
  ): Promise<string> {
    const answer = await this.ask({ from, what, to, port, expected: true })
    return answer === undefined ? '' : `${answer.who} ${answer.seen}`
  }

  async silent(
    from: Wish['from'],
    to: string,
    port: number,
    what: Question = 'tcp',
  ): Promise<boolean> {
    return (await this.ask({ from, what, to, port, expected: false })) === undefined
  }

  async ask({ from, expected, ...probe }: Wish): Promise<Answer | undefined> {
    return ask({ ...probe, from: await this.path(from) }, expected ? 6 : 1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers.values()) await server[Symbol.asyncDispose]()
    await this.rig[Symbol.asyncDispose]()
  }
}

/** An address of the host that is not the one on its way out. */
export const hostAddress = { ipv4: lan.address4, ipv6: lan.address6 } as const
export const remoteAddress = { ipv4: lan.remote4, ipv6: lan.remote6 } as const
export const internetAddress = { ipv4: uplink.gateway4, ipv6: uplink.gateway6 } as const
