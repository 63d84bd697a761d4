import type { LocalController } from '../model/controller.ts'
import type { About } from './answers.ts'
import type { Exposition, Operation } from './exposition.ts'
import type { Log } from './log.ts'
import { trafficText } from './traffic-text.ts'

/** Kept for the first reader; some 100 kB. */
const mostWaiting = 1000

interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/**
 * What Prometheus is told. Its client library is loaded when it is first asked for: that takes longer than
 * most of what a daemon does when it starts, and many are never asked.
 */
export class Metrics {
  readonly #controller: LocalController
  readonly #about: About
  readonly #log: Log
  #waiting: Operation[] = []
  #exposition: Exposition | undefined
  #loading: Promise<Exposition> | undefined

  constructor(controller: LocalController, about: About, log: Log) {
    this.#controller = controller
    this.#about = about
    this.#log = log
  }

  observe(operation: Operation): void {
    if (this.#exposition === undefined) this.#keep(operation)
    else this.#exposition.observe(operation)
  }

  async text(): Promise<MetricsText> {
    const exposition = await this.#load()
    const [own, traffic] = await Promise.all([exposition.text(), this.#traffic()])
    return { contentType: exposition.contentType, text: own + traffic }
  }

  async close(): Promise<void> {
    const exposition = await this.#loading
    exposition?.close()
  }

  #keep(operation: Operation): void {
    this.#waiting.push(operation)
    if (this.#waiting.length !== mostWaiting) return
    this.#load().catch((error: unknown) => this.#log.error({ err: error }, 'metrics'))
  }

  #load(): Promise<Exposition> {
    this.#loading ??= import('./exposition.ts').then(({ Exposition }) => {
      const exposition = new Exposition(this.#controller, this.#about)
      for (const operation of this.#waiting) exposition.observe(operation)
      this.#waiting = []
      this.#exposition = exposition
      return exposition
    })
    return this.#loading
  }

  /** If the kernel doesn't tell, all the rest is told all the same. */
  async #traffic(): Promise<string> {
    try {
      return trafficText(await this.#controller.statistics())
    } catch (error) {
      this.#log.warn({ err: error }, 'the counters of links could not be read')
      return ''
    }
  }
}
