import { type Kind, type Loaded, recordKey, type Store, type Write } from '../../store/store.ts'

/**
 * The store, and what it has refused though it has to be recorded: that goes along with whatever is recorded next, so
 * that records never say for long what isn't so any more.
 */
export class RecordBook implements Store {
  readonly #store: Store
  readonly #owed = new Map<string, Write>()
  /** Of the records that are being written: the number of the last commit that writes each. */
  readonly #writing = new Map<string, number>()
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
    return this.#write(writes, () => {})
  }

  /** As `commit`; what is refused is recorded with the next commit. Errors: the same. */
  settle(writes: readonly Write[]): Promise<void> {
    return this.#write(writes, (write) => this.#owed.set(keyOf(write), write))
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #write(writes: readonly Write[], refused: (write: Write) => void): Promise<void> {
    const number = ++this.#commits
    const before = writes.map((write) => this.#owed.get(keyOf(write)))
    for (const write of writes) this.#writing.set(keyOf(write), number)
    // What somebody else is writing meanwhile says something newer.
    const carried = [...this.#owed.values()].filter((write) => !this.#writing.has(keyOf(write)))
    try {
      await this.#store.commit([...carried, ...writes])
    } catch (error) {
      for (const write of writes) if (this.#isLast(write, number)) refused(write)
      throw error
    } finally {
      for (const write of writes) {
        if (this.#isLast(write, number)) this.#writing.delete(keyOf(write))
      }
    }
    for (const write of [...carried, ...before]) {
      if (write && this.#owed.get(keyOf(write)) === write) this.#owed.delete(keyOf(write))
    }
  }

  #isLast(write: Write, number: number): boolean {
    return this.#writing.get(keyOf(write)) === number
  }
}

function keyOf({ kind, id }: Write): string {
  return recordKey(kind, id)
}
