import type { CnmEvent } from '../../api/reports.ts'
import type { LocalController } from '../../model/controller.ts'

/** An event as Docker tells it. */
export interface DockerEvent {
  readonly action: string
  /** The network; empty: it is about none. */
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
  /** Nanoseconds since 1970; no two are the same. */
  readonly time: bigint
}

/** As many as Docker remembers. */
const remembered = 256

/** What happens to networks, in Docker's words, and the last of what happened. */
export class EventLog {
  readonly #past: DockerEvent[] = []
  readonly #listeners = new Set<(event: DockerEvent) => void>()
  /** By id: what Docker calls their type, which it tells of who comes and goes, too. */
  readonly #drivers = new Map<string, string>()
  #last = 0n

  constructor(
    controller: LocalController,
    signal: AbortSignal,
    onProblem: (error: unknown) => void,
  ) {
    const events = controller.events({ signal })
    for (const { id, info } of controller.now.networks()) this.#drivers.set(id, info.driver)
    this.#follow(events).catch(onProblem)
  }

  /** What has happened from then, until then. */
  between(since: bigint | undefined, until: bigint | undefined): readonly DockerEvent[] {
    return this.#past.filter(({ time }) => {
      return (since === undefined || time >= since) && (!until || time <= until)
    })
  }

  /** Told of what happens from now on, until the function that it answers with is called. */
  listen(listener: (event: DockerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  add(
    action: string,
    id: string,
    attributes: Readonly<Record<string, string>>,
    timeMs = Date.now(),
  ): void {
    const time = BigInt(timeMs) * 1_000_000n
    this.#last = time > this.#last ? time : this.#last + 1n
    const event = { action, id, attributes, time: this.#last }
    this.#past.push(event)
    if (this.#past.length > remembered) this.#past.shift()
    for (const listener of this.#listeners) listener(event)
  }

  /** Resolves when all that the engine has told so far is in the log: it takes microtasks only. */
  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }

  async #follow(events: Promise<AsyncIterable<CnmEvent>>): Promise<void> {
    for await (const event of await events) this.#take(event)
  }

  #take({ type, action, id, name, attributes, time }: CnmEvent): void {
    const timeMs = Date.parse(time)
    if (type === 'network') this.#takeNetwork(action, id, name, attributes, timeMs)
    if (type !== 'endpoint' || (action !== 'join' && action !== 'leave')) return
    const { network = '', networkId = '', sandboxId = '' } = attributes
    const driver = this.#drivers.get(networkId) ?? ''
    const about = { container: sandboxId, name: network, type: driver }
    this.add(action === 'join' ? 'connect' : 'disconnect', networkId, about, timeMs)
  }

  #takeNetwork(
    action: CnmEvent['action'],
    id: string,
    name: string,
    { driver = '' }: CnmEvent['attributes'],
    timeMs: number,
  ): void {
    if (action !== 'create' && action !== 'delete') return
    if (action === 'create') this.#drivers.set(id, driver)
    else this.#drivers.delete(id)
    this.add(action === 'create' ? 'create' : 'destroy', id, { name, type: driver }, timeMs)
  }
}
