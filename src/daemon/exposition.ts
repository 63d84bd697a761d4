import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { LocalController } from '../model/controller.ts'
import type { About } from './answers.ts'

/** A request that has come to its end. */
export interface Operation {
  readonly route: string
  /** `ok`, or the code of the error. */
  readonly code: string
  readonly seconds: number
}

/** From what an attach takes to what a user gives up at. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** All but the traffic. What can be counted when Prometheus asks is counted then. */
export class Exposition {
  readonly #registry = new Registry()
  readonly #operations: Histogram<'route' | 'code'>

  constructor(controller: LocalController, about: About) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    new Gauge({
      name: 'cnm_info',
      help: 'The version that runs',
      labelNames: ['version'],
      registers,
    }).set({ version: about.version }, 1)
    this.#operations = new Histogram({
      name: 'cnm_operation_duration_seconds',
      help: 'Requests by route and how they ended: ok, or the code of the error',
      labelNames: ['route', 'code'],
      buckets,
      registers,
    })
    countObjects(controller, registers)
    countNames(controller, registers)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  observe({ route, code, seconds }: Operation): void {
    this.#operations.observe({ route, code }, seconds)
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  close(): void {
    this.#registry.clear()
  }
}

function countObjects(cnm: LocalController, registers: Registry[]): void {
  const counts = {
    networks: () => cnm.now.networks().length,
    endpoints: () => cnm.now.endpoints().length,
    sandboxes: () => cnm.now.sandboxes().length,
  }
  for (const [name, count] of Object.entries(counts)) {
    new Gauge({
      name: `cnm_${name}`,
      help: `How many ${name} there are`,
      registers,
      collect() {
        this.set(count())
      },
    })
  }
  new Counter({
    name: 'cnm_events_total',
    help: 'What has happened to networks, endpoints and sandboxes since the start',
    registers,
    collect() {
      this.reset()
      this.inc(cnm.sequence)
    },
  })
}

function countNames(cnm: LocalController, registers: Registry[]): void {
  const countersOf = () =>
    cnm.now.sandboxes().flatMap((sandbox) => {
      const { name, names } = sandbox.info
      return names?.counters === undefined ? [] : [{ sandbox: name, ...names.counters }]
    })
  new Counter({
    name: 'cnm_dns_queries_total',
    help: 'What the resolver of a sandbox was asked',
    labelNames: ['sandbox'],
    registers,
    collect() {
      this.reset()
      for (const { sandbox, asked } of countersOf()) this.inc({ sandbox }, asked)
    },
  })
  new Counter({
    name: 'cnm_dns_answers_total',
    help: 'What the resolver of a sandbox has answered, and from where',
    labelNames: ['sandbox', 'source'],
    registers,
    collect() {
      this.reset()
      for (const { sandbox, answered } of countersOf()) {
        for (const [source, count] of Object.entries(answered)) this.inc({ sandbox, source }, count)
      }
    },
  })
}
