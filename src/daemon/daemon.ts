import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { CnmError } from '../base/errors.ts'
import type { LocalController } from '../model/controller.ts'
import { Activity } from './activity.ts'
import type { About } from './answers.ts'
import { frontLog, type Note } from './front-log.ts'
import type { Listener } from './listener.ts'
import type { Log } from './log.ts'
import { NativeApi } from './native-api.ts'
import { type Peer, Service } from './service.ts'

export type { About } from './answers.ts'
export type { Listener } from './listener.ts'
export type { Log } from './log.ts'
export type { Peer } from './service.ts'

export interface DaemonOptions {
  /** It is not closed with the daemon. What can be done without it is done while it still starts. */
  readonly controller: LocalController | Promise<LocalController>
  /** Of the native API. */
  readonly listeners: readonly Listener[]
  /** Other APIs on the same engine. */
  readonly fronts?: (controller: LocalController) => readonly Front[]
  readonly log: Log
  readonly about: About
  /** Who is at the other end of a connection. */
  readonly peerOf?: (socket: Socket) => Peer | undefined
  /** It ends when there has been no sandbox, no request and no stream for so long. Default: never. */
  readonly idleExitMs?: number
  /** How long requests that go on may take when it is closed. Default: 10 s. */
  readonly graceMs?: number
  /** How long the reader of a stream may take nothing. Default: a minute. */
  readonly stallMs?: number
}

/** Another API, on sockets of its own. */
export interface Front {
  /** What its requests are called in the log. */
  readonly name: string
  readonly listeners: readonly Listener[]
  /** What it notes of a request (names, ids, why it was refused) is logged with that. */
  handle(request: IncomingMessage, response: ServerResponse, note: Note): void
  /** The JSON of an error, in its words. */
  refusal(status: number, message: string): string
  /** Streams end. */
  close(): Promise<void>
}

export interface Daemon {
  /** Takes no more requests, lets those that go on come to their end, and ends streams. Idempotent. */
  close(): Promise<void>
  /** Resolves when it is closed, by whomever. */
  readonly closed: Promise<void>
}

/** Puts an engine on the wire. Errors: those of `listen`, and what the controller's start rejects with. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const daemon = new RunningDaemon(options)
  try {
    await daemon.start()
    return daemon
  } catch (error) {
    await daemon.close()
    throw error
  }
}

/** An API whose requests are logged. */
interface Served extends Pick<Front, 'listeners' | 'refusal'> {
  handle(request: IncomingMessage, response: ServerResponse): void
}

class RunningDaemon implements Daemon {
  readonly closed: Promise<void>
  readonly #options: DaemonOptions
  readonly #activity: Activity
  readonly #stopping = new AbortController()
  readonly #services: Service[] = []
  #controller: LocalController | undefined
  #api: NativeApi | undefined
  #fronts: readonly Front[] = []
  #closing: Promise<void> | undefined
  #settle = () => {}

  constructor(options: DaemonOptions) {
    const { idleExitMs, log } = options
    this.#options = options
    this.closed = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#activity = new Activity({
      ...(idleExitMs === undefined ? {} : { idleMs: idleExitMs }),
      isBusy: () => (this.#controller?.now.sandboxes().length ?? 0) > 0,
      onIdle: () => {
        log.info({ idleExitMs }, 'nothing is going on any more')
        this.close().catch((error: unknown) => log.error({ err: error }, 'closing'))
      },
    })
  }

  async start(): Promise<void> {
    const { listeners, fronts = () => [] } = this.#options
    const [controller, api] = await Promise.all([this.#options.controller, this.#makeApi()])
    api.answerFor(controller)
    this.#controller = controller
    this.#fronts = fronts(controller)
    this.#watchSandboxes(controller)
    const native = { listeners, refusal, handle: api.handle.bind(api) }
    for (const front of [native, ...this.#fronts.map((front) => this.#logged(front))]) {
      for (const listener of front.listeners)
        this.#services.push(await this.#serve(front, listener))
    }
    this.#activity.touch()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { graceMs = 10_000 } = this.#options
    this.#activity.stop()
    this.#stopping.abort()
    const stopped = this.#services.map((service) => service.stop(graceMs))
    await Promise.all([...stopped, ...this.#fronts.map((front) => front.close())])
    await this.#api?.close()
    this.#settle()
  }

  async #makeApi(): Promise<NativeApi> {
    const { about, log, stallMs = 60_000 } = this.#options
    const stopping = this.#stopping.signal
    const peerOf = (request: IncomingMessage) => this.#peerOf(request)
    this.#api = await NativeApi.make({ about, log, stallMs, stopping, peerOf })
    return this.#api
  }

  #logged(front: Front): Served {
    const { listeners } = front
    const logOf = frontLog(front.name, this.#options.log, (request) => this.#peerOf(request))
    return {
      listeners,
      handle: (request, response) => front.handle(request, response, logOf(request, response)),
      refusal: (status, message) => front.refusal(status, message),
    }
  }

  #serve(front: Served, listener: Listener): Promise<Service> {
    const { log, peerOf } = this.#options
    return Service.start({
      listener,
      handle: (request, response) => front.handle(request, response),
      refusal: (status, message) => front.refusal(status, message),
      activity: this.#activity,
      log,
      ...(peerOf === undefined ? {} : { peerOf }),
    })
  }

  #peerOf(request: IncomingMessage): Peer | undefined {
    for (const service of this.#services) {
      const peer = service.peerOf(request)
      if (peer !== undefined) return peer
    }
    return undefined
  }

  /** The last one that goes may be what this waits for. */
  #watchSandboxes(controller: LocalController): void {
    const { log, idleExitMs } = this.#options
    if (idleExitMs === undefined) return
    const { signal } = this.#stopping
    const follow = async () => {
      for await (const { type, action } of await controller.events({ signal })) {
        if (type === 'sandbox' && action === 'delete') this.#activity.touch()
      }
    }
    follow().catch((error: unknown) => log.error({ err: error }, 'following events'))
  }
}

/** To a client, a daemon that is being stopped is one that doesn't answer: another may be started. */
function refusal(status: number, message: string): string {
  const code = status === 503 ? 'DAEMON_UNREACHABLE' : 'INVALID_ARGUMENT'
  return JSON.stringify(new CnmError(code, message))
}
