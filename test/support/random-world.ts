import { isCnmError, type KnownLocalEndpoint, type LocalSandbox } from '#dist/linux/library.js'
import { type PacketWorld, servedPorts } from './packet-world.ts'
import { protocols } from './packets.ts'
import { randomNumbers } from './random-numbers.ts'
import {
  conflicts,
  type Family,
  families,
  type GatewayMode,
  hostAddresses,
  type ModelEndpoint,
  type ModelNetwork,
  type ModelPort,
  translates,
} from './reachability-oracle.ts'

/** An engine to which random things are done, and what should have become of them. */
export class RandomWorld {
  readonly world: PacketWorld
  /** What was done, one sentence each. */
  readonly steps: string[] = []
  readonly networks: ModelNetwork[] = []
  readonly boxes: string[] = []
  endpoints: ModelEndpoint[] = []
  readonly #random: () => number
  #made = 0

  constructor(world: PacketWorld, seed: number) {
    this.world = world
    this.#random = randomNumbers(seed)
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  pick<T>(from: readonly T[]): T {
    const one = from[this.below(from.length)]
    if (one === undefined) throw new Error('nothing to choose from')
    return one
  }

  /** Something to begin with. */
  async setUp(): Promise<void> {
    for (let count = 0; count < 2; count += 1) {
      await this.createNetwork()
      await this.createBox()
    }
    await this.connect()
  }

  async step(): Promise<void> {
    const { networks, boxes, endpoints } = this
    const published = endpoints.filter((endpoint) => endpoint.published.length > 0)
    const free = networks.filter((network) => !endpoints.some((each) => each.network === network))
    const possible = [
      ...(networks.length < 3 ? repeat(2, () => this.createNetwork()) : []),
      ...(boxes.length < 4 ? repeat(2, () => this.createBox()) : []),
      ...(this.#joinable().length > 0 ? repeat(5, () => this.connect()) : []),
      ...(endpoints.length > 0 ? repeat(5, () => this.publish(this.pick(endpoints))) : []),
      ...(published.length > 0 ? repeat(2, () => this.unpublish(this.pick(published))) : []),
      ...(endpoints.length > 2 ? [() => this.disconnect(this.pick(endpoints))] : []),
      () => this.restart(),
      ...(boxes.length > 2 ? [() => this.deleteBox(this.pick(boxes))] : []),
      ...(free.length > 0 && networks.length > 1
        ? [() => this.deleteNetwork(this.pick(free))]
        : []),
    ]
    await this.pick(possible)()
  }

  async createNetwork(): Promise<void> {
    const name = `n${this.#made++}`
    const internal = this.below(6) === 0
    const icc = this.below(4) > 0
    const has = this.pick<readonly Family[]>([['ipv4'], ['ipv6'], families, families])
    const choice: GatewayMode[] = internal
      ? ['nat', 'isolated']
      : ['nat', 'nat', 'nat-unprotected', 'routed']
    const modes = Object.fromEntries(has.map((family) => [family, this.pick(choice)]))
    this.steps.push(`create network ${name} ${JSON.stringify({ internal, icc, modes })}`)
    const network = await this.world.engine.createNetwork({
      name,
      internal,
      ipv4: has.includes('ipv4'),
      ipv6: has.includes('ipv6'),
      options: {
        icc,
        ...(modes.ipv4 && { gatewayMode4: modes.ipv4 }),
        ...(modes.ipv6 && { gatewayMode6: modes.ipv6 }),
      },
    })
    const { ipv4, ipv6 } = await network.inspect()
    const gateways = {
      ...(ipv4?.gateway && { ipv4: ipv4.gateway }),
      ...(ipv6?.gateway && { ipv6: ipv6.gateway }),
    }
    this.networks.push({ id: network.id, name, internal, icc, modes, gateways })
  }

  async createBox(): Promise<void> {
    const name = `b${this.#made++}`
    this.steps.push(`create sandbox ${name}`)
    await this.world.createSandbox(name)
    this.boxes.push(name)
  }

  async connect(): Promise<void> {
    const { box, network } = this.pick(this.#joinable())
    const gwPriority = this.below(3)
    const wanted = this.below(3) === 0 ? this.#portsFor(network) : []
    const publish = wanted.map(text)
    const links = this.endpoints.filter((each) => each.network === network && this.below(3) === 0)
    const options = { gwPriority, publish, links: links.map((each) => each.box) }
    this.steps.push(`connect ${box} to ${network.name} ${JSON.stringify(options)}`)
    const sandbox = this.world.engine.sandbox(box)
    const connecting = sandbox.connect(this.world.engine.network(network.name), options)
    if (await refused(connecting, this.#taken(network, wanted))) return
    const { ipv4, ipv6 } = await (await endpointOf(sandbox, network)).inspect()
    const addresses = { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) }
    this.endpoints.push({ network, box, priority: gwPriority, addresses, links, published: wanted })
  }

  async publish(endpoint: ModelEndpoint): Promise<void> {
    const { network, box } = endpoint
    const wanted = this.#portsFor(network)
    const again = (one: ModelPort) => endpoint.published.some((other) => text(other) === text(one))
    if (wanted.length === 0 || wanted.some(again)) return
    this.steps.push(`publish ${wanted.map(text)} of ${box} on ${network.name}`)
    const publishing = (await this.#real(endpoint)).publish(wanted.map(text))
    if (await refused(publishing, this.#taken(network, wanted))) return
    endpoint.published = [...endpoint.published, ...wanted]
  }

  async unpublish(endpoint: ModelEndpoint): Promise<void> {
    const gone = endpoint.published.filter(() => this.below(2) === 0)
    if (gone.length === 0) return
    this.steps.push(`unpublish ${gone.map(text)} of ${endpoint.box} on ${endpoint.network.name}`)
    await (await this.#real(endpoint)).unpublish(gone.map(text))
    endpoint.published = endpoint.published.filter((one) => !gone.includes(one))
  }

  async disconnect(endpoint: ModelEndpoint): Promise<void> {
    this.steps.push(`disconnect ${endpoint.box} from ${endpoint.network.name}`)
    await (await this.#real(endpoint)).leave()
    this.endpoints = this.endpoints.filter((each) => each !== endpoint)
  }

  async deleteBox(box: string): Promise<void> {
    this.steps.push(`delete sandbox ${box}`)
    await this.world.deleteSandbox(this.world.engine.sandbox(box))
    this.boxes.splice(this.boxes.indexOf(box), 1)
    this.endpoints = this.endpoints.filter((endpoint) => endpoint.box !== box)
  }

  async restart(): Promise<void> {
    this.steps.push('restart the engine')
    await this.world.restart()
    const findings = await this.world.engine.doctor()
    if (findings.length > 0) throw new Error(JSON.stringify(findings))
  }

  async deleteNetwork(network: ModelNetwork): Promise<void> {
    this.steps.push(`delete network ${network.name}`)
    await this.world.engine.network(network.name).delete()
    this.networks.splice(this.networks.indexOf(network), 1)
  }

  #taken(network: ModelNetwork, wanted: readonly ModelPort[]): boolean {
    return wanted.some((one) => conflicts(this.endpoints, network, one))
  }

  #joinable() {
    return this.boxes.flatMap((box) =>
      this.networks
        .filter((network) => !this.endpoints.some((e) => e.box === box && e.network === network))
        .map((network) => ({ box, network })),
    )
  }

  async #real({ box, network }: ModelEndpoint) {
    return await endpointOf(this.world.engine.sandbox(box), network)
  }

  /** One port, or up to three in a row; at all addresses of the host, or at one. */
  #portsFor(network: ModelNetwork): ModelPort[] {
    if (network.internal) return []
    const protocol = this.pick(protocols)
    const count = this.pick([1, 1, 1, 2, 3])
    const first = () => servedPorts[this.below(servedPorts.length + 1 - count)] as number
    const [hostPort, port] = [first(), first()]
    const addresses = families
      .filter((family) => translates(network.modes[family]))
      .flatMap((family) => hostAddresses[family])
    const one = addresses.length > 0 && this.below(4) === 0
    const address = one ? { hostAddress: this.pick(addresses) } : {}
    return Array.from({ length: count }, (_, index) => ({
      protocol,
      hostPort: hostPort + index,
      port: port + index,
      ...address,
    }))
  }
}

async function endpointOf(
  box: LocalSandbox,
  { id, name }: ModelNetwork,
): Promise<KnownLocalEndpoint> {
  const found = (await box.endpoints()).find((each) => each.info.network === id)
  if (found === undefined) throw new Error(`${box.ref} is not on ${name}`)
  return found
}

function text({ protocol, hostAddress, hostPort, port }: ModelPort): string {
  const address = hostAddress?.includes(':') ? `[${hostAddress}]` : hostAddress
  return `${address === undefined ? '' : `${address}:`}${hostPort}:${port}/${protocol}`
}

/** Waits for a call; answers whether it was refused, as it has to be if ports are taken. */
async function refused(call: Promise<unknown>, taken: boolean): Promise<boolean> {
  try {
    await call
  } catch (error) {
    if (taken && isCnmError(error, 'PORT_IN_USE')) return true
    throw error
  }
  if (taken) throw new Error('a port was published twice')
  return false
}

function repeat<T>(count: number, one: T): T[] {
  return Array<T>(count).fill(one)
}
