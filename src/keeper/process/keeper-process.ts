import { Names } from '../../dns/view/names.ts'
import { openSocketBeside, sendTo } from '../../kernel/linux/service/index.ts'
import type { KeeperEvent, KeeperOptions } from '../keeper.ts'
import { EventClients } from './control/event-clients.ts'
import type { ForwardedQuery, LoopReport, OpenEndpoint } from './control/messages.ts'
import { FairSlots } from './forward/fair-slots.ts'
import { Forwarder } from './forward/forwarder.ts'
import { HostUpstreams } from './forward/host-upstreams.ts'
import { viewOf } from './kept.ts'
import { LoopLine } from './loop-line.ts'
import { Problems } from './problems.ts'
import { Relays } from './relays/relays.ts'
import { Counting } from './resolver/counting.ts'
import { QueryLog } from './resolver/query-log.ts'
import { SlowAnswers, type SlowEndpoint } from './resolver/slow-answers.ts'
import { Tally } from './resolver/tally.ts'
import { TcpServer } from './resolver/tcp-server.ts'

const tcpLimits = { each: 64, all: 1024, reserve: 256 }
const LOG_EVERY_MS = 50

interface MainEndpoint extends SlowEndpoint {
  /** As soon as a client has connected. */
  server: TcpServer | undefined
}

/**
 * The keeper's main thread: everything that waits for others, and what the loop has no time for.
 */
export class KeeperProcess {
  readonly #names = new Names()
  readonly #endpoints = new Map<number, MainEndpoint>()
  readonly #tcpSlots = new FairSlots<number>(tcpLimits)
  readonly #clients = new EventClients(
    (tell) => tell(this.#counting.all()),
    () => this.#sendInterest(),
  )
  readonly #problems = new Problems((message) => {
    process.stderr.write(`${new Date().toISOString()} ${message}\n`)
    this.#tell({ event: 'problem', message })
  })
  readonly #counting = new Counting((event) => this.#tell(event))
  readonly #log = new QueryLog()
  readonly #upstreams: HostUpstreams
  readonly #forwarder: Forwarder
  readonly #answers: SlowAnswers
  readonly #relays = new Relays()
  readonly #line: LoopLine
  #logTimer: NodeJS.Timeout | undefined

  /** `onEnd`: it is over; an error, if it wasn't meant to be. */
  constructor(options: KeeperOptions, listenFd: number, onEnd: (error: Error | undefined) => void) {
    this.#upstreams = new HostUpstreams(options.resolvConf, () =>
      this.#tell({ event: 'resolv-conf' }),
    )
    this.#forwarder = new Forwarder({
      open: (type, family, beside) => openSocketBeside(beside, type, family),
      upstreams: () => this.#upstreams.servers,
    })
    this.#answers = new SlowAnswers(this.#forwarder, this.#counting, this.#log)
    const { socket, stays = false } = options
    this.#line = new LoopLine({ listenFd, socket, stays }, (report) => this.#hear(report), onEnd)
  }

  /** Ends it, by and by. */
  end(): void {
    this.#line.send({ type: 'stop' })
  }

  #tell(event: KeeperEvent): void {
    this.#clients.tell(event)
  }

  #sendInterest(): void {
    const { count: connections, wantsLog: log } = this.#clients
    this.#answers.logs = log
    this.#line.send({ type: 'interest', connections, log })
  }

  #hear(report: LoopReport): void {
    switch (report.type) {
      case 'change':
        this.#change(report)
        break
      case 'connect':
        this.#listen(report.endpoint, report.fd)
        break
      case 'forward':
        for (const query of report.queries) {
          this.#line.takeForwarded()
          this.#forward(query)
        }
        break
      case 'tallies':
        this.#counting.hear(report.tallies)
        break
      case 'queries':
        this.#log.pass(report.queries)
        this.#tellQueries()
        break
      case 'events':
        this.#clients.add(report.fd, report.received)
        break
      case 'problem':
        this.#problems.add(report.message)
    }
  }

  #change(report: Extract<LoopReport, { type: 'change' }>): void {
    this.#names.change(report.remove, report.add)
    for (const id of report.close) this.#close(id)
    for (const change of report.relays) this.#relays.change(change)
    for (const endpoint of report.open) this.#open(endpoint)
    if (report.token !== undefined) this.#line.send({ type: 'done', token: report.token })
    if (report.gone.length > 0) this.#tell({ event: 'gone', keys: report.gone })
  }

  #open({ id, resource, udp }: OpenEndpoint): void {
    const sandbox = resource.kind === 'resolver' ? resource.sandbox : undefined
    const tally = sandbox === undefined ? new Tally() : this.#counting.open(id, sandbox)
    const view = () => (this.#endpoints.has(id) ? viewOf(this.#names, resource) : undefined)
    this.#endpoints.set(id, { id, sandbox, udp, tally, view, server: undefined })
  }

  /** The loop has told it before, and closes it later. */
  #listen(id: number, tcp: number): void {
    const endpoint = this.#endpoints.get(id)!
    const answer = (query: Buffer) => {
      this.#line.drain()
      const answered = this.#answers.answerTcp(endpoint, query)
      if (answered instanceof Promise) answered.then(() => this.#tellQueries())
      else this.#tellQueries()
      return answered
    }
    const onError = (error: Error) =>
      this.#problems.add(`the resolver can't be asked over TCP: ${error.message}`)
    const slots = this.#tcpSlots
    const places = { take: () => slots.take(id), give: () => slots.give(id) }
    endpoint.server = new TcpServer(tcp, answer, places, onError)
  }

  #close(id: number): void {
    const endpoint = this.#endpoints.get(id)
    if (endpoint === undefined) return
    this.#endpoints.delete(id)
    endpoint.server?.end()
    this.#counting.close(id)
    if (endpoint.sandbox !== undefined) this.#forwarder.forget(endpoint.sandbox)
  }

  #forward({ endpoint: id, query, from, since }: ForwardedQuery): void {
    const endpoint = this.#endpoints.get(id)
    if (endpoint === undefined) return
    void this.#answers.forward(endpoint, Buffer.from(query.buffer), 'udp', since).then((answer) => {
      // Its socket is open as long as it is there.
      if (this.#endpoints.get(id) === endpoint) sendTo(endpoint.udp, answer, from)
      this.#tellQueries()
    })
  }

  /** Soon. */
  #tellQueries(): void {
    if (this.#log.isEmpty) return
    this.#logTimer ??= setTimeout(() => {
      this.#logTimer = undefined
      this.#tell({ event: 'queries', queries: this.#log.take() })
    }, LOG_EVERY_MS).unref()
  }
}
