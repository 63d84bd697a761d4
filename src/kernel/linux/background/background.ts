import { setMaxListeners } from 'node:events'
import { Worker } from 'node:worker_threads'
import { CnmError } from '../../../base/errors.ts'
import { EventStreams } from '../../../base/event-streams.ts'
import type { KernelEvent } from '../../kernel.ts'
import type { Forgotten } from '../conntrack/forgotten.ts'
import { close, eventfd, raiseEvent } from '../ffi/file.ts'
import type { Retired } from '../thread/operations.ts'
import { fromWire } from '../thread/wire-error.ts'
import { onWorkerDeath } from '../thread/worker-end.ts'
import type { BackgroundOptions, Command, Report } from './messages.ts'

/** So much may wait to be deleted before removing waits, too: deleting is slower than making. */
const MOST_WAITING = 256
/** For those who don't read them. */
const MOST_EVENTS = 100_000

interface BackgroundEvents {
  /** Told of the socket on which changes of the ruleset are heard, once there is one. */
  onListening(fd: number): void
  /** The thread has ended without having been closed; a caller that waits for it is refused after that. */
  onDeath(death: CnmError): void
}

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

/**
 * The background thread, seen from the main one. It is started when it is first needed. It keeps the
 * program alive only while something is being waited for that comes by itself.
 */
export class Background {
  readonly #options: Pick<BackgroundOptions, 'host' | 'rulesetPort'>
  readonly #tell: BackgroundEvents
  readonly #streams = new EventStreams<KernelEvent>(undefined, {
    most: MOST_EVENTS,
    afterLoss: (_, next) => [{ type: 'resync' }, next],
  })
  readonly #ends = new Map<number, Waiting>()
  readonly #rooms = new Map<Waiting, number>()
  readonly #forgetting = new Map<number, Waiting>()
  #thread: Thread | undefined
  #toDelete = 0
  #lastId = 0
  #closed: CnmError | undefined

  constructor(options: Pick<BackgroundOptions, 'host' | 'rulesetPort'>, tell: BackgroundEvents) {
    this.#options = options
    this.#tell = tell
  }

  /** Deletes these by and by. */
  delete(retired: Retired): void {
    const count = retired.links.length + retired.namespaces.length
    if (count === 0) return
    if (this.#closed !== undefined) {
      // What it was part of is done all the same; links without effect wait for the next engine.
      for (const { fd } of retired.namespaces) close(fd)
      return
    }
    this.#toDelete += count
    this.#send({ type: 'delete', retired })
  }

  /** Resolves when conntrack has forgotten that. */
  async forget(forgotten: Forgotten): Promise<void> {
    this.#lastId += 1
    const id = this.#lastId
    this.#send({ type: 'forget', id, forgotten })
    await new Promise<void>((resolve, reject) => {
      this.#forgetting.set(id, { resolve, reject })
      this.#holdWhileBusy()
    })
  }

  /** Something is being made just now, which shall not have to wait for what is being deleted. */
  takeCare(): void {
    if (this.#toDelete > 0) this.#send({ type: 'take-care' })
  }

  /** Resolves when little enough waits to be deleted. */
  room(): Promise<void> {
    return this.#atMost(MOST_WAITING)
  }

  /** Resolves when nothing waits to be deleted, or forgotten. */
  settled(): Promise<void> {
    return this.#atMost(0)
  }

  /** Resolves when the path doesn't lead to that namespace any more, or its process has ended. */
  async ended(path: string, identity: string, signal: AbortSignal): Promise<void> {
    this.#lastId += 1
    const id = this.#lastId
    const end = new Promise<void>((resolve, reject) => {
      this.#ends.set(id, { resolve, reject })
    })
    const forget = () => {
      this.#ends.get(id)?.resolve()
      this.#ends.delete(id)
      this.#send({ type: 'forget-end', id })
    }
    // One engine watches many.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', forget, { once: true })
    this.#send({ type: 'await-end', id, path, identity })
    try {
      await end
    } finally {
      signal.removeEventListener('abort', forget)
    }
  }

  events(signal: AbortSignal | undefined): AsyncIterable<KernelEvent> {
    this.#send({ type: 'watch' })
    return this.#streams.open(signal)
  }

  /** Something may have happened that no event tells of. */
  missed(): void {
    this.publish([{ type: 'resync' }])
  }

  /** What was heard of elsewhere. */
  publish(events: readonly KernelEvent[]): void {
    this.#streams.publish(events)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.end(new CnmError('CLOSED', 'the kernel is closed'))
    await this.#thread?.stop()
  }

  #atMost(count: number): Promise<void> {
    if (this.#hasRoom(count)) return Promise.resolve()
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    return new Promise((resolve, reject) => {
      this.#rooms.set({ resolve, reject }, count)
      this.#holdWhileBusy()
    })
  }

  #hasRoom(count: number): boolean {
    return this.#toDelete <= count && (count > 0 || this.#forgetting.size === 0)
  }

  #send(command: Command): void {
    if (this.#closed !== undefined) throw this.#closed
    this.#thread ??= new Thread(
      this.#options,
      (report) => this.#receive(report),
      (death) => {
        this.#tell.onDeath(death)
        this.end(death)
      },
    )
    this.#thread.send(command)
  }

  #receive(report: Report): void {
    switch (report.type) {
      case 'listening':
        this.#tell.onListening(report.fd)
        break
      case 'events':
        this.#streams.publish(report.events)
        break
      case 'ended':
        this.#ends.get(report.id)?.resolve()
        this.#ends.delete(report.id)
        break
      case 'deleted':
        this.#toDelete -= report.count
        this.#wake()
        break
      case 'forgotten':
        for (const id of report.ids) {
          const waiting = this.#forgetting.get(id)
          this.#forgetting.delete(id)
          if (report.error === undefined) waiting?.resolve()
          else waiting?.reject(fromWire(report.error))
        }
        this.#wake()
        break
    }
  }

  /** Streams end, and callers that wait are refused, as everything is from now on; what is to be deleted still is. */
  end(reason: CnmError): void {
    this.#closed ??= reason
    this.#streams.end()
    const waiting = [this.#ends.values(), this.#rooms.keys(), this.#forgetting.values()]
    for (const { reject } of waiting.flatMap((each) => [...each])) reject(this.#closed)
    this.#ends.clear()
    this.#rooms.clear()
    this.#forgetting.clear()
  }

  /** Those who wait for less to be done than there is by now. */
  #wake(): void {
    for (const [waiting, count] of this.#rooms) {
      if (!this.#hasRoom(count)) continue
      this.#rooms.delete(waiting)
      waiting.resolve()
    }
    this.#holdWhileBusy()
  }

  #holdWhileBusy(): void {
    this.#thread?.hold(this.#rooms.size + this.#forgetting.size > 0)
  }
}

// A thread that sleeps in the kernel would make the process's exit wait for ever. Waking it is not
// enough: it could be asleep again before it is told to end.
const running = new Set<Thread>()
process.on('exit', () => {
  for (const thread of running) void thread.stop()
})

/** The Worker, and the descriptor that wakes it. */
class Thread {
  readonly #wakeFd = eventfd()
  readonly #worker: Worker
  readonly #over: Promise<void>
  #isStopping = false

  constructor(
    given: Pick<BackgroundOptions, 'host' | 'rulesetPort'>,
    onReport: (report: Report) => void,
    onDeath: (death: CnmError) => void,
  ) {
    const options: BackgroundOptions = { ...given, wakeFd: this.#wakeFd }
    this.#worker = new Worker(new URL('./background-worker.js', import.meta.url), {
      workerData: options,
      execArgv: [],
      name: 'cnm background',
    })
    running.add(this)
    this.#worker.on('message', onReport)
    const wanted = () => this.#isStopping
    onWorkerDeath(this.#worker, { what: "the kernel's background thread", wanted }, onDeath)
    this.#over = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        running.delete(this)
        close(this.#wakeFd)
        resolve()
      })
    })
    this.hold(false)
  }

  send(command: Command): void {
    this.#worker.postMessage(command)
    raiseEvent(this.#wakeFd)
  }

  /** Whether the program has to stay alive for it. */
  hold(on: boolean): void {
    if (on) this.#worker.ref()
    else this.#worker.unref()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    if (running.has(this)) {
      this.hold(true)
      this.send({ type: 'stop' })
    }
    await this.#over
  }
}
