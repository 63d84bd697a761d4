import type { Prefix } from '../../src/address/address.ts'
import type { EndpointId, NetworkId } from '../../src/base/id.ts'
import type { LocalController } from '../../src/model/controller.ts'
import type { Runtime } from '../../src/model/runtime.ts'
import type { Chance } from './chance.ts'

const subnet = '10.9.0.0/24' as Prefix
const network = 'f'.repeat(64) as NetworkId
const endpoints = ['d', 'e'].map((digit) => digit.repeat(64) as EndpointId)
const containers = ['/containers/one', '/containers/two']

type Verb = readonly [what: string, work: () => Promise<unknown>]

/** Another engine of the host, which has its containers on networks of ours, and repeats itself. */
export class ScheduleFront {
  readonly #chance: Chance
  #runtime!: Runtime

  constructor(chance: Chance) {
    this.#chance = chance
  }

  /** It speaks to that one from now on. */
  meet(cnm: LocalController): void {
    this.#runtime = cnm.runtime('other')
  }

  /** There is something of everything. */
  async furnish(): Promise<void> {
    const [first] = endpoints
    await this.#createNetwork(this.#runtime)
    await this.#runtime.createEndpoint(first!, network, { name: 'other-dddd' })
    await this.#runtime.join(first!, containers[0]!)
  }

  verb(): Verb {
    const runtime = this.#runtime
    const id = this.#chance.pick(endpoints)
    const key = this.#chance.pick(containers)
    const name = `other-${id.slice(0, 4)}`
    switch (this.#chance.below(8)) {
      case 0:
        return ['other: create network', () => this.#createNetwork(runtime)]
      case 1:
        return this.#chance.once(2)
          ? ['other: delete network', () => runtime.deleteNetwork(network)]
          : ['other: hold a pool', () => this.#hold(runtime)]
      case 2:
      case 3:
        return [
          `other: create endpoint ${name}`,
          () => runtime.createEndpoint(id, network, { name }),
        ]
      case 4:
        return [`other: join ${name} to ${key}`, () => runtime.join(id, key)]
      case 5:
        return [`other: leave of ${name}`, () => runtime.leave(id)]
      case 6:
        return [
          `other: publish of ${name}`,
          () => runtime.publish(id, [{ ports: 80, hostPorts: 7070 }]),
        ]
      default:
        return [`other: delete ${name}`, () => runtime.deleteEndpoint(id)]
    }
  }

  async #createNetwork(runtime: Runtime): Promise<unknown> {
    return runtime.createNetwork(network, { name: 'other', subnets: [subnet] })
  }

  async #hold(runtime: Runtime): Promise<void> {
    const pool = await runtime.requestPool({ family: 4, subnet: '10.10.0.0/24' as Prefix })
    const address = await runtime.requestAddress(pool, {})
    await runtime.releaseAddress(pool.subnet, address)
    await runtime.releasePool(pool.subnet)
  }
}
