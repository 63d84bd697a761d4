import { CnmError } from '../../base/errors.ts'
import {
  checkWrites,
  type Kind,
  type Loaded,
  recordKey,
  type Store,
  type StoredRecord,
  type Write,
} from '../store.ts'

/** What a memory store holds: one text for each record, so that no value is shared with it. */
export type MemoryContents = Map<string, string>

/**
 * A store that ends with the process: for tests, examples and dry runs. Another store over the same
 * contents is what a restart is to the others.
 */
export function memory(contents: MemoryContents = new Map()): Store {
  return new MemoryStore(contents)
}

class MemoryStore implements Store {
  readonly #contents: MemoryContents
  #open = false

  constructor(contents: MemoryContents) {
    this.#contents = contents
  }

  async load(): Promise<Loaded> {
    this.#open = true
    return { records: [...this.#contents.values()].map((text) => JSON.parse(text)), setAside: [] }
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (!this.#open) throw new CnmError('CLOSED', 'the store is not open')
    for (const { kind, id, key, version, value } of checkWrites(writes, this.#versionOf)) {
      if (version === 0) this.#contents.delete(key)
      else this.#contents.set(key, JSON.stringify({ kind, id, version, value }))
    }
  }

  async lacks(kind: Kind, ids: readonly string[]): Promise<readonly string[]> {
    return ids.filter((id) => !this.#contents.has(recordKey(kind, id)))
  }

  async close(): Promise<void> {
    this.#open = false
  }

  readonly #versionOf = (key: string): number => {
    const text = this.#contents.get(key)
    return text === undefined ? 0 : (JSON.parse(text) as StoredRecord).version
  }
}
