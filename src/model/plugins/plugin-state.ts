import { NetworkShape } from '../../api/shapes.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import { parser } from '../../base/parse.ts'
import { type Static, Type } from '../../base/schema.ts'
import type { NetworkRecord } from '../records.ts'

/** What a driver is still to be told: that something is gone. */
export interface PendingCalls {
  /** `owed-<id of the endpoint or network>`: it is a record of its own. */
  readonly id: string
  readonly network: NetworkRecord
  /** Absent: the network itself is gone. */
  readonly endpoint?: EndpointId
  readonly calls: readonly PendingCall[]
}

const PendingCall = Type.Union([
  Type.Literal('unpublish'),
  Type.Literal('leave'),
  Type.Literal('deleteEndpoint'),
  Type.Literal('deleteNetwork'),
])
export type PendingCall = Static<typeof PendingCall>

/** What is known of drivers and IPAMs that are other programs. */
export class PluginState {
  /** By id. */
  readonly pending = new Map<string, PendingCalls>()
  #pendings = 0
  /** What is given back, by network, when its driver has been told that it is free. */
  readonly giveBack = new Map<NetworkId, (() => Promise<void>)[]>()
  /** Of those: what was tried in vain. It is tried again when the driver is back. */
  readonly unheard = new Set<string>()
  readonly #degraded = new Set<EndpointId>()
  readonly #watches = new Map<string, AbortController>()
  readonly #turns = new Map<string, Promise<void>>()
  readonly #waiting = new Set<string>()
  /** The last work about each network. */
  readonly #networks = new Map<NetworkId, Promise<void>>()

  /** Those of each change are a record of their own, which goes when just that is told. */
  nextPendingId(id: EndpointId | NetworkId): string {
    this.#pendings += 1
    return `owed-${id}-${Date.now().toString(36)}-${this.#pendings}`
  }

  isDegraded(id: EndpointId): boolean {
    return this.#degraded.has(id)
  }

  /** Answers whether that is new. */
  degrade(id: EndpointId): boolean {
    if (this.#degraded.has(id)) return false
    this.#degraded.add(id)
    return true
  }

  recover(id: EndpointId): boolean {
    return this.#degraded.delete(id)
  }

  /**
   * One after the other: a plugin may come and go while it is being told. Where one waits already, that is
   * enough. Not in the engine's queue, whose turns this work waits for.
   */
  async inTurn(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#waiting.has(name)) return
    this.#waiting.add(name)
    const before = (this.#turns.get(name) ?? Promise.resolve()).catch(() => {})
    const mine = before.then(() => {
      this.#waiting.delete(name)
      return work()
    })
    this.#turns.set(name, mine)
    try {
      await mine
    } finally {
      if (this.#turns.get(name) === mine) this.#turns.delete(name)
    }
  }

  /** What a driver is told about a network, one after the other. Such work takes no keys. */
  async inTurnOf<T>(network: NetworkId, work: () => Promise<T>): Promise<T> {
    const before = this.#networks.get(network) ?? Promise.resolve()
    const mine = before.then(work)
    const tail = mine.then(
      () => {},
      () => {},
    )
    this.#networks.set(network, tail)
    try {
      return await mine
    } finally {
      if (this.#networks.get(network) === tail) this.#networks.delete(network)
    }
  }

  isWatched(name: string): boolean {
    return this.#watches.has(name)
  }

  watch(name: string): AbortSignal {
    const watch = new AbortController()
    this.#watches.set(name, watch)
    return watch.signal
  }

  /** Ends the watches of those that nothing uses any more. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const [name, watch] of this.#watches) {
      if (names.has(name)) continue
      watch.abort()
      this.#watches.delete(name)
    }
  }
}

export function isPending(id: string): boolean {
  return id.startsWith('owed-')
}

const parsePending = parser(
  Type.Object({
    id: Type.String(),
    network: NetworkShape,
    endpoint: Type.Optional(Type.String()),
    calls: Type.Array(PendingCall),
  }),
  'stored calls of a driver',
  'INTERNAL',
)
export const readPending = (value: unknown) => parsePending(value) as unknown as PendingCalls
