import { type Kind, type Loaded, recordKey, type Store, type Write } from '../../store/store.ts'

interface Owed {
  readonly write: Write
  /** Of the commit that was refused. */
  readonly number: number
}

/** Of one record: what is under way. */
interface Writing {
  commits: number
  /** The number of the last commit that has succeeded meanwhile. */
  written: number
}

/**
 * The store, and what it has refused though it has to be recorded: that goes along with whatever is recorded next, so
 * that records never say for long what isn't so any more. It keeps nothing else from being recorded.
 */
export class RecordBook implements Store {
  readonly #store: Store
  readonly #owed = new Map<string, Owed>()
  readonly #writing = new Map<string, Writing>()
  #commits = 0

  constructor(store: Store) {
    this.#store = store
  }

  load(): Promise<Loaded> {
    return this.#store.load()
  }

  lacks(kind: Kind, ids: readonly string[]): Promise<readonly string[]> {
    return this.#store.lacks(kind, ids)
  }

  commit(writes: readonly Write[]): Promise<void> {
    return this.#write(writes, false)
  }

  /** As `commit`; what is refused is recorded with the next commit. Errors: the same. */
  settle(writes: readonly Write[]): Promise<void> {
    return this.#write(writes, true)
  }

  async close(): Promise<void> {
    // The last occasion; what is refused now as well, the next start finds as it was before.
    if (this.#owed.size > 0) await this.commit([]).catch(() => {})
    await this.#store.close()
  }

  async #write(writes: readonly Write[], owes: boolean): Promise<void> {
    const number = ++this.#commits
    const keys = writes.map(keyOf)
    for (const key of keys) this.#begin(key)
    // What is being written meanwhile says something newer.
    const carried = [...this.#owed.values()].filter(({ write }) => !this.#writing.has(keyOf(write)))
    try {
      const taken = await this.#commit(carried, writes)
      for (const owed of taken) {
        if (this.#owed.get(keyOf(owed.write)) === owed) this.#owed.delete(keyOf(owed.write))
      }
      for (const key of keys) this.#written(key, number)
    } catch (error) {
      if (owes) for (const write of writes) this.#owe(write, number)
      throw error
    } finally {
      for (const key of keys) this.#end(key)
    }
  }

  /** Answers with what was carried; what is refused for the sake of that is tried without. */
  async #commit(carried: readonly Owed[], writes: readonly Write[]): Promise<readonly Owed[]> {
    const isAlone = () => writes.every((write) => this.#writing.get(keyOf(write))?.commits === 1)
    try {
      await this.#store.commit([...carried.map(({ write }) => write), ...writes])
      return carried
    } catch (error) {
      // Commits on a record take effect in their order: behind a newer one this would be out of it.
      if (carried.length === 0 || !isAlone()) throw error
      await this.#store.commit(writes)
      return []
    }
  }

  #begin(key: string): void {
    const writing = this.#writing.get(key)
    if (writing === undefined) this.#writing.set(key, { commits: 1, written: 0 })
    else writing.commits += 1
  }

  #end(key: string): void {
    const writing = this.#writing.get(key)!
    writing.commits -= 1
    if (writing.commits === 0) this.#writing.delete(key)
  }

  #written(key: string, number: number): void {
    const writing = this.#writing.get(key)!
    writing.written = Math.max(writing.written, number)
    if ((this.#owed.get(key)?.number ?? number) < number) this.#owed.delete(key)
  }

  #owe(write: Write, number: number): void {
    const key = keyOf(write)
    const isOlder = (this.#owed.get(key)?.number ?? 0) > number
    if (isOlder || this.#writing.get(key)!.written > number) return
    this.#owed.set(key, { write, number })
  }
}

function keyOf({ kind, id }: Write): string {
  return recordKey(kind, id)
}
