import { setTimeout as delay } from 'node:timers/promises'
import {
  CnmError,
  connectController,
  type ErrorKind,
  type KnownEndpoint,
  type KnownNetwork,
  type KnownSandbox,
  type RemoteController,
} from '#dist/client/client.js'
import { Chance } from './chance.ts'
import type { Promises } from './chaos-promises.ts'

/** What others do meanwhile, and the daemon's ends, may be in the way of everything. */
const expectedKinds: readonly ErrorKind[] = ['not-found', 'conflict', 'cancelled', 'unavailable']

const takenAway = /: (ENODEV|ENOENT|ESRCH|ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)\b/

function isExpected({ code, kind, message }: CnmError): boolean {
  // What was taken away by hand, before it or in the middle of it, is there again only after a repair.
  if (code === 'KERNEL') return takenAway.test(message)
  // Nothing is published on internal networks.
  if (code === 'NOT_ALLOWED') return true
  // Another client was faster with the same ports.
  if (code === 'INVALID_ARGUMENT') return message.includes('does not publish')
  // The disk is fine, and no link is asked for by its name.
  return !['STORE_UNAVAILABLE', 'LINK_EXISTS'].includes(code) && expectedKinds.includes(kind)
}

const mostNetworks = 8
const mostSandboxes = 20
/** Host ports that clients ask for, all the same ones. */
export const hostPorts = Array.from({ length: 12 }, (_, index) => 7000 + index)

/** A program that asks for this and that, and writes down what it was promised. */
export class ChaosClient {
  /** How often which code came. */
  readonly outcomes = new Map<string, number>()
  /** Errors that should not have been. */
  readonly failures: string[] = []
  readonly #socket: string
  readonly #chance: Chance
  readonly #promises: Promises

  constructor(socket: string, seed: number, promises: Promises) {
    this.#socket = socket
    this.#chance = new Chance(seed)
    this.#promises = promises
  }

  async run(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      try {
        await using cnm = await connectController({ socket: this.#socket })
        while (!until.aborted) await this.#step(cnm)
      } catch (error) {
        if (!(error instanceof CnmError) || error.code !== 'DAEMON_UNREACHABLE') throw error
        this.#count(error.code)
        // Asking all the time keeps it from coming back.
        await delay(5 + this.#chance.below(100))
      }
    }
  }

  async #step(cnm: RemoteController): Promise<void> {
    const [what, act] = this.#chance.pick(this.#actions)
    try {
      await act(cnm)
      this.#count('done')
    } catch (error) {
      if (!(error instanceof CnmError)) throw error
      if (error.code === 'DAEMON_UNREACHABLE') throw error
      this.#count(error.code)
      if (isExpected(error)) return
      const { code, message, cause } = error
      this.failures.push(`${what}: ${code} ${message}${cause === undefined ? '' : ` (${cause})`}`)
    }
  }

  #count(code: string): void {
    this.outcomes.set(code, (this.outcomes.get(code) ?? 0) + 1)
  }

  readonly #actions: readonly (readonly [string, (cnm: RemoteController) => Promise<void>])[] = [
    ['create network', (cnm) => this.#createNetwork(cnm)],
    ['create network', (cnm) => this.#createNetwork(cnm)],
    ['delete network', (cnm) => this.#deleteNetwork(cnm)],
    ['create sandbox', (cnm) => this.#createSandbox(cnm)],
    ['create sandbox', (cnm) => this.#createSandbox(cnm)],
    ['create sandbox', (cnm) => this.#createSandbox(cnm)],
    ['delete sandbox', (cnm) => this.#deleteSandbox(cnm)],
    ['connect', (cnm) => this.#connect(cnm)],
    ['connect', (cnm) => this.#connect(cnm)],
    ['connect', (cnm) => this.#connect(cnm)],
    ['create endpoint', (cnm) => this.#createEndpoint(cnm)],
    ['leave', (cnm) => this.#leave(cnm)],
    ['publish', (cnm) => this.#publish(cnm)],
    ['publish', (cnm) => this.#publish(cnm)],
    ['unpublish', (cnm) => this.#unpublish(cnm)],
    ['update', (cnm) => this.#update(cnm)],
    ['look', (cnm) => this.#look(cnm)],
    ['look', (cnm) => this.#look(cnm)],
  ]

  /** Now and then a client loses patience. */
  #signal(): { readonly signal?: AbortSignal } {
    if (!this.#chance.once(12)) return {}
    return { signal: AbortSignal.timeout(this.#chance.below(30)) }
  }

  async #createNetwork(cnm: RemoteController): Promise<void> {
    const chance = this.#chance
    const number = chance.below(mostNetworks)
    const network = await cnm.createNetwork({
      name: `net${number}`,
      ipv6: chance.once(2),
      internal: chance.once(5),
      ...(chance.once(3) && { subnets: [`10.77.${number}.0/28`] }),
      ...(chance.once(6) && { options: { icc: false } }),
      ...this.#signal(),
    })
    this.#promises.madeNetwork(network.id)
  }

  async #deleteNetwork(cnm: RemoteController): Promise<void> {
    const network = await this.#network(cnm)
    const force = this.#chance.once(4)
    if (!force && (await network.endpoints()).length > 0 && !this.#chance.once(8)) return
    this.#promises.end(network.id)
    await network.delete({ force, ...this.#signal() })
  }

  async #createSandbox(cnm: RemoteController): Promise<void> {
    const name = `box${this.#chance.below(mostSandboxes)}`
    const networks = await cnm.networks()
    const some = networks.filter(({ info }) => info.driver === 'bridge' && this.#chance.once(3))
    const connect = some.slice(0, 2).map(({ name: network }) => ({ network, ...this.#wishes() }))
    const box = await cnm.createSandbox({ name, connect, ...this.#signal() })
    this.#promises.madeSandbox(box.id)
    for (const { info } of await box.endpoints()) {
      // Others may have connected it meanwhile, and been refused in the end.
      if (some.some(({ id }) => id === info.network)) this.#promises.madeEndpoint(info)
    }
  }

  async #deleteSandbox(cnm: RemoteController): Promise<void> {
    const box = await this.#sandbox(cnm)
    this.#promises.end(box.id)
    await box.delete(this.#signal())
  }

  async #connect(cnm: RemoteController): Promise<void> {
    const [box, network] = [await this.#sandbox(cnm), await this.#network(cnm)]
    const last = 2 + this.#chance.below(12)
    const endpoint = await box.connect(network, {
      ...this.#wishes(),
      ...(this.#chance.once(5) && {
        ip: network.info.ipv4?.subnet.replace(/\d+\/\d+$/, `${last}`),
      }),
      gwPriority: this.#chance.below(3),
      ...this.#signal(),
    })
    this.#promises.madeEndpoint(endpoint.info)
  }

  async #createEndpoint(cnm: RemoteController): Promise<void> {
    const [network, box] = [await this.#network(cnm), await this.#sandbox(cnm)]
    const name = `alone${this.#chance.below(4)}`
    const endpoint = await network.createEndpoint({ name, persistent: true, ...this.#wishes() })
    this.#promises.madeEndpoint(endpoint.info)
    await endpoint.join(box, this.#signal())
  }

  async #leave(cnm: RemoteController): Promise<void> {
    const endpoint = await this.#endpoint(cnm)
    this.#promises.end(endpoint.id)
    await (this.#chance.once(2) ? endpoint.leave(this.#signal()) : endpoint.delete(this.#signal()))
  }

  async #publish(cnm: RemoteController): Promise<void> {
    const endpoint = await this.#endpoint(cnm)
    await endpoint.publish(this.#ports(), this.#signal())
  }

  async #unpublish(cnm: RemoteController): Promise<void> {
    const endpoint = await this.#endpoint(cnm)
    const some = endpoint.info.ports.filter(() => this.#chance.once(2))
    if (some.length > 0) await endpoint.unpublish(some, this.#signal())
  }

  async #update(cnm: RemoteController): Promise<void> {
    const endpoint = await this.#endpoint(cnm)
    const limit = () => `${1 + this.#chance.below(900)}mbit`
    const rate = {
      ...(this.#chance.once(2) && { toSandbox: limit() }),
      ...(this.#chance.once(2) && { fromSandbox: limit() }),
    }
    await endpoint.update({ rate, ...this.#signal() })
  }

  async #look(cnm: RemoteController): Promise<void> {
    this.#promises.seen((await cnm.endpoints()).map(({ info }) => info))
    if (this.#chance.once(8)) await cnm.doctor({ fix: this.#chance.once(2) })
  }

  #wishes(): { readonly publish?: string[] } {
    return this.#chance.once(3) ? { publish: this.#ports() } : {}
  }

  #ports(): string[] {
    const port = this.#chance.pick(hostPorts)
    const inside = 80 + this.#chance.below(4)
    return this.#chance.pick([
      [`${port}:${inside}`],
      [`127.0.0.1:${port}:${inside}/udp`],
      [`${inside}`, `${inside}/udp`],
      [`${port}-${port + 1}:${inside}-${inside + 1}`],
    ])
  }

  async #network(cnm: RemoteController): Promise<KnownNetwork> {
    const networks = (await cnm.networks()).filter(({ info }) => info.driver === 'bridge')
    const found = networks[this.#chance.below(networks.length)]
    if (found === undefined) await cnm.network('none of these').inspect()
    return found!
  }

  async #sandbox(cnm: RemoteController): Promise<KnownSandbox> {
    const boxes = await cnm.sandboxes()
    const found = boxes[this.#chance.below(boxes.length)]
    if (found === undefined) await cnm.sandbox('none of these').inspect()
    return found!
  }

  async #endpoint(cnm: RemoteController): Promise<KnownEndpoint> {
    const endpoints = await cnm.endpoints()
    const found = endpoints[this.#chance.below(endpoints.length)]
    if (found === undefined) await cnm.endpoint('none of these').inspect()
    return found!
  }
}
