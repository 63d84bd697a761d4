import type { Cidr, IpAddress, Prefix } from '../../src/address/address.ts'
import { CnmError } from '../../src/base/errors.ts'
import { bridge } from '../../src/driver/bridge/bridge.ts'
import { host } from '../../src/driver/host/host.ts'
import { nothing } from '../../src/driver/null/null.ts'
import { local } from '../../src/ipam/local/local.ts'
import { nullIpam } from '../../src/ipam/null/null.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { type MemoryKernel, memoryKernel } from '../../src/kernel/memory/index.ts'
import {
  type ControllerOptions,
  createController,
  type LocalController,
} from '../../src/model/controller.ts'
import type { DnsOptions } from '../../src/model/engine-dns.ts'
import { type MemoryContents, memory } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { refuseNesting } from './nested-queues.ts'

refuseNesting()

/** A machine and a state folder in memory, on which engines can be started one after the other. */
export class MemoryRig {
  readonly kernel: MemoryKernel
  readonly contents: MemoryContents = new Map()
  readonly problems: unknown[] = []
  /** Of the engines that are started from now on. */
  dns: DnsOptions = {}

  constructor(kernel: MemoryKernel = memoryKernel()) {
    this.kernel = kernel
    this.kernel.addLink({ name: 'uplink', mtu: 1400, addresses: ['198.51.100.2/24' as Cidr] })
    this.kernel.addRoute({
      destination: '0.0.0.0/0' as Prefix,
      gateway: '198.51.100.1' as IpAddress,
      link: 'uplink',
    })
    this.kernel.writeSysctl('net/ipv4/conf/uplink/forwarding', '0')
  }

  /** An engine; with `life`, one that dies at its n-th call to kernel or store. */
  async start(
    life: Life = new Life(),
    idleMs = 60_000,
    coexist: 'auto' | 'off' = 'auto',
  ): Promise<LocalController> {
    return createController({ ...this.parts(life), idleMs, coexist })
  }

  /** What an engine is made of. */
  parts(life: Life = new Life()): ControllerOptions {
    return {
      kernel: life.kernel(this.kernel),
      store: life.store(memory(this.contents)),
      drivers: [bridge(), host(), nothing()],
      ipams: [local({ seed: 'test' }), nullIpam()],
      namespaceDir: '/run/cnm/netns',
      sandboxDir: '/run/cnm/sandboxes',
      dns: this.dns,
      onProblem: (problem) => this.problems.push(problem),
    }
  }

  /** Machine and records together, to be compared. Versions are left out: they only count. */
  snapshot(): { readonly machine: readonly string[]; readonly records: readonly string[] } {
    const records = [...this.contents.values()]
      .map((text) => JSON.parse(text))
      .filter(({ kind }) => kind !== 'engine')
      .map(({ kind, value }) => `${kind} ${JSON.stringify(value)}`)
    return { machine: this.kernel.lines(), records: records.sort() }
  }
}

/** The life of an engine. After `calls` calls to kernel or store every further one fails: it is dead. */
export class Life {
  #left: number

  constructor(calls = Number.POSITIVE_INFINITY) {
    this.#left = calls
  }

  dieAfter(calls: number): void {
    this.#left = calls
  }

  get over(): boolean {
    return this.#left < 0
  }

  kernel(inner: Kernel): Kernel {
    return {
      apply: (change) => this.#spend(() => inner.apply(change)),
      compare: (resources) => this.#spend(() => inner.compare(resources)),
      survey: (query) => this.#spend(() => inner.survey(query)),
      view: () => this.#spend(() => inner.view()),
      holders: (ports) => this.#spend(() => inner.holders(ports)),
      statistics: () => this.#spend(() => inner.statistics()),
      sharedTables: () => this.#spend(() => inner.sharedTables()),
      addedByPackets: (set) => this.#spend(() => inner.addedByPackets(set)),
      obstacles: (leaving) => this.#spend(() => inner.obstacles(leaving)),
      adopt: (target) => this.#spend(() => inner.adopt(target)),
      spawn: (namespace, command) => this.#spend(() => inner.spawn(namespace, command)),
      openSocket: (namespace, socket) => this.#spend(() => inner.openSocket(namespace, socket)),
      gone: (namespace, signal) => inner.gone(namespace, signal),
      events: (signal) => inner.events(signal),
      queries: (signal) => inner.queries(signal),
      restoreKeeper: () => this.#spend(() => inner.restoreKeeper()),
      settled: () => inner.settled(),
      // The machine outlives the engine.
      failed: inner.failed,
      close: async () => {},
    }
  }

  store(inner: Store): Store {
    return {
      load: () => this.#spend(() => inner.load()),
      commit: (writes) => this.#spend(() => inner.commit(writes)),
      lacks: (kind, ids) => inner.lacks(kind, ids),
      close: () => inner.close(),
    }
  }

  async #spend<T>(call: () => Promise<T>): Promise<T> {
    this.#left -= 1
    if (this.over) throw new CnmError('CLOSED', 'this engine is dead')
    return call()
  }
}
