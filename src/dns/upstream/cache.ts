interface CacheLimits {
  readonly entries: number
  readonly bytes: number
}

interface Entry<Value> {
  readonly value: Value
  readonly bytes: number
}

/** What a key and its place in the maps take, about. */
const ENTRY_BYTES = 400
/** So much of the room belongs to what has been asked for once only. */
const NEW_SHARE = 0.25

/**
 * Keeps what was used last, within limits. What has been asked for again is not driven out by any number
 * of things that are asked for once: who asks for random names does not spoil it for others.
 */
export class Cache<Value> {
  readonly #limits: CacheLimits
  /** Each with the oldest first. */
  readonly #fresh = new Map<string, Entry<Value>>()
  readonly #proven = new Map<string, Entry<Value>>()
  #freshBytes = 0
  #bytes = 0

  constructor(limits: CacheLimits) {
    this.#limits = limits
  }

  get(key: string): Value | undefined {
    const entry = this.#take(key)
    if (entry === undefined) return undefined
    this.#proven.set(key, entry)
    this.#bytes += entry.bytes
    return entry.value
  }

  /** `bytes`: what the value takes. */
  set(key: string, value: Value, bytes: number): void {
    const isProven = this.#proven.has(key)
    this.#take(key)
    const entry = { value, bytes: bytes + key.length + ENTRY_BYTES }
    if (entry.bytes > this.#limits.bytes) return
    if (isProven) this.#proven.set(key, entry)
    else {
      this.#fresh.set(key, entry)
      this.#freshBytes += entry.bytes
    }
    this.#bytes += entry.bytes
    this.#makeRoom()
  }

  delete(key: string): void {
    this.#take(key)
  }

  clear(): void {
    this.#fresh.clear()
    this.#proven.clear()
    this.#bytes = 0
    this.#freshBytes = 0
  }

  get size(): number {
    return this.#fresh.size + this.#proven.size
  }

  #take(key: string): Entry<Value> | undefined {
    const fresh = this.#fresh.get(key)
    const entry = fresh ?? this.#proven.get(key)
    if (entry === undefined) return undefined
    if (fresh !== undefined) this.#freshBytes -= entry.bytes
    this.#fresh.delete(key)
    this.#proven.delete(key)
    this.#bytes -= entry.bytes
    return entry
  }

  #makeRoom(): void {
    const { entries, bytes } = this.#limits
    while (this.size > entries || this.#bytes > bytes) {
      const newOnes = this.#fresh.size > entries * NEW_SHARE || this.#freshBytes > bytes * NEW_SHARE
      const from = newOnes || this.#proven.size === 0 ? this.#fresh : this.#proven
      const [oldest] = from.keys()
      this.#take(oldest!)
    }
  }
}
