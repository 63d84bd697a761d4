import { CnmError, isCnmError, isKernelError } from '../../src/base/errors.ts'
import { bridge } from '../../src/driver/bridge/bridge.ts'
import { createController, type LocalController } from '../../src/model/controller.ts'
import type { LocalSandbox } from '../../src/model/sandbox/sandbox.ts'
import { Chance } from './chance.ts'
import { Interleaver, refusable } from './interleaver.ts'
import { MemoryRig } from './memory-rig.ts'
import { asAnother } from './nested-queues.ts'
import { ScheduleFront } from './schedule-front.ts'
import { ScheduleError, turns, within } from './schedule-turns.ts'

/** Makes timers go on by so much. */
export type Clock = (ms: number) => void

export interface ScheduleOptions {
  readonly seed: number
  readonly clock: Clock
  /** A call fails once in so many times. 0: never. */
  readonly failsOnceIn: number
  readonly steps?: number
}

const atMost = 4
/** Of the machine, the store and a driver: where nothing fails, none of these comes out. */
const failures = [
  'INTERNAL',
  'KERNEL',
  'LINK_EXISTS',
  'STORE_UNAVAILABLE',
  'PLUGIN_FAILED',
  'PLUGIN_UNAVAILABLE',
]
const networkNames = ['plain', 'dual', 'brief', 'asked'] as const
const sandboxNames = ['s', 't', 'adopted'] as const
const adopted = '/run/others/box'

/**
 * Verbs of one engine, at most four at a time, whose calls to the outside go on in a random order. When all have ended
 * it is asked whether all is well.
 */
export class RandomSchedule {
  readonly #chance: Chance
  readonly #options: ScheduleOptions
  readonly #rig = new MemoryRig()
  readonly #interleaver: Interleaver
  readonly #asked = new Set<string>()
  readonly #front: ScheduleFront
  readonly #made = new Map<string, 'network' | 'sandbox'>()
  readonly #deleted = new Set<string>()
  readonly #running = new Set<string>()
  #cnm!: LocalController
  #count = 0
  #ups = 0
  #isRestarting = false

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#chance = new Chance(options.seed)
    this.#interleaver = new Interleaver(this.#chance)
    this.#front = new ScheduleFront(this.#chance)
  }

  get story(): string[] {
    return this.#interleaver.story
  }

  /** Throws what is wrong. */
  async run(): Promise<void> {
    await this.#start()
    await this.#furnish()
    const { steps = 120, clock, failsOnceIn } = this.#options
    this.#interleaver.hold()
    for (let step = 0; step < steps; step += 1) {
      await turns()
      const mayBegin = this.#running.size < atMost && !this.#isRestarting
      if (mayBegin && this.#chance.once(3)) this.#begin()
      else if (this.#interleaver.isWaiting) this.#interleaver.step(failsOnceIn)
      else if (this.#chance.once(3) || !mayBegin) clock(60)
      else this.#begin()
    }
    this.#interleaver.open()
    await this.#ended()
    await this.#judge()
  }

  async #start(): Promise<void> {
    if (this.#ups === 0) this.#rig.kernel.addNamespace(adopted)
    this.#ups = Math.max(1, this.#ups)
    const parts = this.#rig.parts()
    this.#cnm = await createController({
      ...parts,
      kernel: this.#interleaver.kernel(parts.kernel),
      store: this.#interleaver.store(parts.store),
      drivers: [...parts.drivers, this.#interleaver.asked(bridge(), this.#asked)],
    })
    this.#front.meet(this.#cnm)
  }

  /** There is something of everything, so that little is asked for in vain. */
  async #furnish(): Promise<void> {
    for (const name of ['plain', 'dual', 'asked'] as const)
      await this.#createNetwork(this.#cnm, name)
    await this.#createSandbox(this.#cnm, 's', 'plain')
    await this.#createSandbox(this.#cnm, 't')
    await this.#createEndpoint(this.#cnm, 'dual')
    await this.#front.furnish()
  }

  #begin(): void {
    const [what, verb] = this.#verb()
    const name = `${++this.#count} ${what}`
    this.#running.add(name)
    this.story.push(`> ${name}`)
    const end = (how: string) => {
      this.#running.delete(name)
      this.story.push(`< ${name}: ${how}`)
    }
    asAnother(async () => verb(this.#cnm)).then(
      () => end('done'),
      (error: unknown) => {
        // Anything else is a mistake of the engine's.
        const isRefusal = isCnmError(error) && !failures.includes(error.code)
        const isFailure = isKernelError(error) || (isCnmError(error) && error.code !== 'INTERNAL')
        const isExpected = isRefusal || (isFailure && this.#options.failsOnceIn > 0)
        if (!isExpected) this.#wrong.push(`${name}: ${error}`)
        end(isCnmError(error) ? `${error.code} ${error.message}` : String(error))
      },
    )
  }

  readonly #wrong: string[] = []

  #verb(): readonly [string, (cnm: LocalController) => Promise<unknown>] {
    const network = this.#chance.pick(networkNames)
    const name = this.#chance.pick(sandboxNames)
    const force = this.#chance.once(2)
    switch (this.#chance.below(23)) {
      case 0:
      case 1:
        return [`create ${network}`, (cnm) => this.#createNetwork(cnm, network)]
      case 2:
        if (this.#chance.once(2)) return this.#verb()
        return [
          `delete ${network}${force ? ' by force' : ''}`,
          async (cnm) => {
            const { id } = cnm.now.network(network)
            await this.#delete(id, () => cnm.network(network).delete({ force }))
          },
        ]
      case 3:
      case 4:
        return [`create ${name} on ${network}`, (cnm) => this.#createSandbox(cnm, name, network)]
      case 5:
        return [`create ${name}`, (cnm) => this.#createSandbox(cnm, name)]
      case 6:
        if (this.#chance.once(2)) return this.#verb()
        return [
          `delete ${name}`,
          async (cnm) => {
            const box = cnm.now.sandbox(name)
            await this.#delete(box.id, () => box.delete())
          },
        ]
      case 7:
      case 8:
        return [
          `connect ${name} to ${network}${force ? ', port 8080' : ''}`,
          (cnm) => {
            const publish = force ? ['8080:80'] : []
            return cnm.sandbox(name).connect(cnm.network(network), { publish })
          },
        ]
      case 9:
        return [
          `leave of ${name}`,
          async (cnm) => (await this.#endpointOf(cnm.sandbox(name))).leave(),
        ]
      case 10:
        return [`create endpoint x of ${network}`, (cnm) => this.#createEndpoint(cnm, network)]
      case 11:
        return [
          `join x of ${network} to ${name}`,
          async (cnm) => (await this.#x(cnm, network)).join(cnm.sandbox(name)),
        ]
      case 13:
        return [
          `publish of ${name}`,
          async (cnm) =>
            (await this.#endpointOf(cnm.sandbox(name))).publish(['8080:80', '9090:90']),
        ]
      case 14:
        return [
          `unpublish of ${name}`,
          async (cnm) => (await this.#endpointOf(cnm.sandbox(name))).unpublish(['8080:80']),
        ]
      case 15:
        return ['the namespace goes', async () => this.#namespaceGoes()]
      case 16:
        return force ? ['restart', () => this.#restart()] : this.#verb()
      case 17:
      case 18:
      case 19:
      case 20:
        return this.#front.verb()
      case 21:
        return this.#refusal()
      case 12:
        return [`delete x of ${network}`, async (cnm) => (await this.#x(cnm, network)).delete()]
      default:
        return this.#chance.once(2)
          ? [`doctor`, (cnm) => cnm.doctor({ fix: force })]
          : ['a link comes', async () => this.#linkComes()]
    }
  }

  /** The machine refuses something for a while. */
  #refusal(): readonly [string, () => Promise<unknown>] {
    if (this.#options.failsOnceIn === 0) return this.#front.verb()
    const kind = this.#chance.once(2) ? undefined : this.#chance.pick(refusable)
    return [`refusing ${kind ?? 'nothing'}`, async () => this.#interleaver.refuse(kind)]
  }

  /** What could not be deleted may go with the next start. */
  async #delete(id: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#deleted.add(id)
    } catch (error) {
      if (isCnmError(error, 'KERNEL') || isCnmError(error, 'STORE_UNAVAILABLE'))
        this.#made.delete(id)
      throw error
    }
  }

  async #createNetwork(cnm: LocalController, name: (typeof networkNames)[number]): Promise<void> {
    const at = networkNames.indexOf(name)
    const made = await cnm.createNetwork({
      name,
      subnets: [`10.${at + 1}.0.0/24`],
      ...(name === 'dual' ? { ipv6: true } : {}),
      ...(name === 'brief' ? { ephemeral: true } : {}),
      ...(name === 'asked' ? { driver: 'asked' } : {}),
    })
    if (name !== 'brief') this.#made.set(made.id, 'network')
  }

  async #createSandbox(cnm: LocalController, name: string, network?: string): Promise<void> {
    const connect = network === undefined ? [] : [{ network }]
    const netns = name === 'adopted' ? { netns: adopted } : {}
    const made = await cnm.createSandbox({ name, connect, ...netns })
    if (name !== 'adopted') this.#made.set(made.id, 'sandbox')
  }

  async #createEndpoint(cnm: LocalController, network: string): Promise<unknown> {
    return cnm.network(network).createEndpoint({ name: 'x', persistent: true })
  }

  async #x(cnm: LocalController, network: string) {
    const found = (await cnm.network(network).endpoints()).find(({ name }) => name === 'x')
    return found ?? cnm.endpoint('none')
  }

  async #endpointOf(box: LocalSandbox) {
    const there = await box.endpoints()
    return there[this.#chance.below(there.length)] ?? absent()
  }

  /** The sandbox that has adopted it goes with it. */
  #namespaceGoes(): void {
    this.#rig.kernel.removeNamespace(adopted)
    this.#rig.kernel.addNamespace(adopted)
  }

  /** Another engine follows. A start may fail, like anything. */
  async #restart(): Promise<void> {
    if (this.#isRestarting) return
    this.#isRestarting = true
    try {
      await this.#cnm.close()
      for (let tries = 0; ; tries += 1) {
        try {
          return await this.#start()
        } catch (error) {
          if (tries === 20) throw error
        }
      }
    } finally {
      this.#isRestarting = false
    }
  }

  #linkComes(): void {
    this.#ups += 1
    this.#rig.kernel.addLink({ name: `eth${this.#ups}`, mtu: 1500, addresses: [] })
  }

  /** All verbs, and what follows from them. */
  async #ended(): Promise<void> {
    for (let turn = 0; turn < 3000 && this.#running.size > 0; turn += 1) await turns()
    if (this.#running.size > 0) {
      throw new ScheduleError(`never ends: ${[...this.#running].join(', ')}`)
    }
    for (let n = 0; n < 3; n += 1) {
      this.#options.clock(60)
      for (let turn = 0; turn < 20; turn += 1) await turns()
    }
  }

  async #judge(): Promise<void> {
    const before = await this.#shown()
    const found = this.#interleaver.failures === 0 ? await this.#doctor() : []
    this.#wrong.push(...found.map(({ detail }) => `doctor: ${detail}`), ...(await this.#doubled()))
    await within(this.#cnm.close(), 'closing')
    await this.#start()
    if (this.#interleaver.failures === 0) {
      const after = await this.#shown()
      if (after.join() !== before.join()) {
        this.#wrong.push(`${before.join(', ')} became ${after.join(', ')} by a restart`)
      }
    }
    // The driver is told what it has not heard, and nothing waits for that.
    for (let turn = 0; turn < 60; turn += 1) await turns()
    const again = await this.#doctor()
    this.#wrong.push(...again.map(({ detail }) => `doctor after a restart: ${detail}`))
    this.#wrong.push(
      ...(await this.#doubled()),
      ...(await this.#lost()),
      ...(await this.#askedWrongly()),
    )
    await this.#cnm.down()
    this.#wrong.push(...[...this.#asked].map((left) => `the driver still has ${left}`))
    await this.#cnm.close()
    if (this.#wrong.length > 0) throw new ScheduleError(this.#wrong.join('\n'))
  }

  /** Without what a start tells of the namespace that has gone just then. */
  async #doctor() {
    return (await this.#cnm.doctor()).filter(({ detail }) => !detail.includes(adopted))
  }

  /** Without the ephemeral network, which has no owner after a restart unless it is used. */
  async #shown(): Promise<string[]> {
    const networks = (await this.#cnm.networks()).filter(({ name }) => name !== 'brief')
    return [
      ...networks.map(({ id, name }) => `${name} ${id.slice(0, 6)}`),
      ...(await this.#cnm.sandboxes()).map(({ id, name }) => `${name} ${id.slice(0, 6)}`),
      ...(await this.#cnm.endpoints()).map(({ id, name }) => `${name} ${id.slice(0, 6)}`),
    ].sort()
  }

  async #doubled(): Promise<string[]> {
    const seen = new Set<string>()
    return (await this.#cnm.endpoints()).flatMap((endpoint) => {
      const { network, ipv4 } = endpoint.info
      const key = `${network} ${ipv4}`
      const isDoubled = ipv4 !== undefined && seen.has(key)
      seen.add(key)
      return isDoubled ? [`two endpoints have ${key}`] : []
    })
  }

  /** What was made is there unless it was deleted, and what was deleted isn't. */
  async #lost(): Promise<string[]> {
    const there = new Set<string>(
      [...(await this.#cnm.networks()), ...(await this.#cnm.sandboxes())].map(({ id }) => id),
    )
    return [
      ...[...this.#made].flatMap(([id, kind]) =>
        there.has(id) || this.#deleted.has(id) ? [] : [`a ${kind} is gone: ${id.slice(0, 6)}`],
      ),
      ...[...this.#deleted].flatMap((id) =>
        there.has(id) ? [`what was deleted is back: ${id.slice(0, 6)}`] : [],
      ),
    ]
  }

  async #askedWrongly(): Promise<string[]> {
    const networks = (await this.#cnm.networks()).filter((each) => each.info.driver === 'asked')
    const wanted = new Set(networks.map(({ id }) => `network ${id}`))
    const has = [...this.#asked].filter((key) => key.startsWith('network '))
    return [
      ...has
        .filter((key) => !wanted.has(key))
        .map((key) => `the driver has ${key} without an owner`),
      ...[...wanted].filter((key) => !this.#asked.has(key)).map((key) => `the driver lacks ${key}`),
    ]
  }
}

function absent(): never {
  throw new CnmError('ENDPOINT_NOT_FOUND', 'there is none')
}
