import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Asker, type AskingAgain } from './asker.ts'
import { DaemonProcess } from './daemon-process.ts'
import { type ThrowAwayHost, throwAwayHost, uplink } from './host.ts'
import { echoBack, Lockstep } from './lockstep.ts'
import { connectIn, serveTcp } from './sockets.ts'

export interface Box {
  readonly id: string
  readonly name: string
  readonly namespace: { readonly path: string }
}

const networks = [
  { name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'], ipv6: true },
  { name: 'inner', subnets: ['10.8.0.0/24'], internal: true, labels: { what: 'apart' } },
  { name: 'routed', subnets: ['10.9.0.0/24'], options: { gatewayMode4: 'routed', icc: false } },
]

const sandboxes = [
  {
    name: 'api',
    labels: { app: 'one' },
    connect: [
      { network: 'web', ip: '10.7.0.10', ip6: 'fd00:7::10', publish: ['8080:80', '9000:90/udp'] },
      { network: 'inner', ip: '10.8.0.10', aliases: ['backend'] },
    ],
  },
  { name: 'db', connect: [{ network: 'inner', ip: '10.8.0.11' }] },
  { name: 'peer', connect: [{ network: 'web', ip: '10.7.0.11', ip6: 'fd00:7::11' }] },
  {
    name: 'far',
    connect: [{ network: 'routed', ip: '10.9.0.10', publish: ['90/udp', '7000-7999:7000-7999'] }],
  },
]

/** What there is for all to see: names, ids, labels, addresses, ports. */
export type Seen = Readonly<Record<'networks' | 'sandboxes' | 'endpoints', readonly unknown[]>>

/** A host on which one version of the daemon follows another while its sandboxes are at work. */
export class UpgradeWorld implements AsyncDisposable {
  readonly host: ThrowAwayHost
  /** To be closed at the end, the last first. */
  readonly #things: AsyncDisposable[] = []
  readonly #boxes = new Map<string, Box>()
  daemon!: DaemonProcess
  /** What goes on all the time. */
  readonly steps: Lockstep[] = []
  readonly questions: AskingAgain[] = []
  #stream: { readonly socket: Socket; received: string } | undefined
  #written = ''

  private constructor(host: ThrowAwayHost) {
    this.host = host
    this.#things.push(host)
  }

  static async start(program?: string): Promise<UpgradeWorld> {
    const world = new UpgradeWorld(await throwAwayHost({ internet: true }))
    try {
      await world.follow(program)
      return world
    } catch (error) {
      await world.#close()
      throw error
    }
  }

  /** The next daemon: the one that was built here, or that program. */
  async follow(program?: string): Promise<void> {
    const options = program === undefined ? {} : { program }
    this.daemon = new DaemonProcess(this.host, [], options)
    await this.daemon.ready()
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.daemon.kill(signal)
    await this.daemon.ended
  }

  async populate(): Promise<void> {
    for (const each of networks) await this.daemon.ask('POST /v1/networks', each)
    for (const each of sandboxes) {
      const box = await this.daemon.ask<Box>('POST /v1/sandboxes', each)
      this.#boxes.set(each.name, box)
    }
  }

  box(name: string): string {
    return this.#boxes.get(name)!.namespace.path
  }

  async seen(): Promise<Seen> {
    const ask = async (what: string) => {
      const all = await this.daemon.ask<Record<string, unknown>[]>(`GET /v1/${what}`)
      // Those of one moment are in any order.
      return all.sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1))
    }
    return {
      networks: await ask('networks'),
      // Not what is counted, nor whether the keeper has answered already.
      sandboxes: (await ask('sandboxes')).map(({ names: _, ...sandbox }) => sandbox),
      endpoints: (await ask('endpoints')).map(({ dns: _, ...endpoint }) => endpoint),
    }
  }

  /** Echoes in the sandboxes and the internet, and those who talk to them from now on. */
  async work(): Promise<void> {
    const { host } = this
    for (const name of ['api', 'db', 'peer', 'far']) {
      this.#things.push(await echoBack(this.box(name), '0.0.0.0', 90))
    }
    this.#things.push(await echoBack(this.box('api'), '::', 91))
    this.#things.push(await echoBack(host.internet, '0.0.0.0', 90))
    await host.inside(host.internet, ['ip', 'route', 'add', '10.9.0.0/24', 'via', uplink.address4])
    const step = (what: string, path: string, address: string, port: number, anew = false) => {
      this.steps.push(new Lockstep(what, path, address, port, anew))
    }
    step('a published port', host.internet, uplink.address4, 9000)
    step('a published port, anew', host.internet, uplink.address4, 9000, true)
    step('a published port, from the host', host.netns, '127.0.0.1', 9000, true)
    step('a neighbour', this.box('peer'), '10.7.0.10', 90)
    step('a neighbour, anew', this.box('peer'), '10.7.0.10', 90, true)
    step('a neighbour by IPv6', this.box('peer'), 'fd00:7::10', 91, true)
    step('an internal neighbour', this.box('db'), '10.8.0.10', 90, true)
    step('outwards', this.box('peer'), uplink.gateway4, 90)
    step('outwards, anew', this.box('peer'), uplink.gateway4, 90, true)
    step('a routed port', host.internet, '10.9.0.10', 90, true)
    for (const [box, name, address] of [
      ['peer', 'api', '10.7.0.10'],
      ['db', 'backend', '10.8.0.10'],
    ] as const) {
      const asker = await Asker.open(this.box(box))
      this.#things.push(asker)
      this.questions.push(asker.again(name, [address]))
    }
    await this.#startStream()
  }

  /** Until all have done so much more. */
  async goOn(count = 20): Promise<void> {
    await Promise.all(this.steps.map((step) => step.further(count)))
  }

  /** What didn't come through, in words. */
  async losses(): Promise<readonly string[]> {
    await Promise.all(this.steps.map((step) => step.stop()))
    await Promise.all(this.questions.map((question) => question.stop()))
    return [
      ...this.steps.flatMap(({ what, lost, done }) => {
        return lost > 0 ? [`${what}: ${lost} of ${done} are lost`] : []
      }),
      ...this.questions.flatMap(({ wrong, asked }) => {
        return wrong.length > 0 ? [`${wrong.length} of ${asked} answers: ${wrong[0]}`] : []
      }),
    ]
  }

  async #startStream(): Promise<void> {
    this.#things.push(
      await serveTcp(this.box('api'), '0.0.0.0', 80, (client) => client.pipe(client)),
    )
    const socket = await connectIn(this.host.internet, uplink.address4, 8080)
    this.#things.push({ [Symbol.asyncDispose]: async () => void socket.destroy() })
    const stream = { socket, received: '' }
    socket.on('data', (data) => {
      stream.received += data
    })
    this.#stream = stream
  }

  /** By the connection that was made at first. */
  async say(word: string): Promise<boolean> {
    const stream = this.#stream!
    this.#written += word
    stream.socket.write(word)
    while (stream.received.length < this.#written.length && !stream.socket.destroyed) {
      await once(stream.socket, 'data', { signal: AbortSignal.timeout(10_000) })
    }
    return stream.received === this.#written
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all(this.steps.map((step) => step.stop()))
      await Promise.all(this.questions.map((question) => question.stop()))
      await this.daemon.ask('POST /v1/down')
      await this.daemon.stop()
    } finally {
      await this.#close()
    }
  }

  async #close(): Promise<void> {
    for (const thing of this.#things.reverse()) await thing[Symbol.asyncDispose]()
  }
}
