import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { KeyedQueue } from '../../base/keyed-queue.ts'
import {
  type CheckedWrite,
  checkWrites,
  durableKinds,
  type Kind,
  type Loaded,
  recordKey,
  type Store,
  type Write,
} from '../store.ts'
import { RecordFiles } from './record-files.ts'
import { VolatileRecords } from './volatile-records.ts'

interface LocalStoreOptions {
  /** What is durable is in here: `networks/<id>.json`. */
  readonly stateDir: string
  /** What dies with the boot is in here, best on a tmpfs: `records/`. */
  readonly runDir: string
}

/**
 * A store in two folders of this host. Only the engine that holds the lock of the state folder may
 * have it open; a process that may not write both folders can't use it.
 */
export function local(options: LocalStoreOptions): Store {
  return new LocalStore(options)
}

class LocalStore implements Store {
  readonly #files: ReadonlyMap<Kind, RecordFiles>
  readonly #volatile: VolatileRecords
  readonly #queue = new KeyedQueue()
  /** Of every record that is there. No other process writes, so this is the truth. */
  readonly #versions = new Map<string, number>()
  #open = false

  constructor({ stateDir, runDir }: LocalStoreOptions) {
    this.#files = new Map(
      [...durableKinds].map((kind) => [kind, new RecordFiles(kind, join(stateDir, `${kind}s`))]),
    )
    this.#volatile = new VolatileRecords(join(runDir, 'records'))
  }

  async load(): Promise<Loaded> {
    // All of them, before any is touched.
    for (const files of this.#files.values()) await files.refuseNewer()
    await this.#volatile.refuseNewer()
    const parts: Loaded[] = []
    for (const files of this.#files.values()) parts.push(await files.load())
    parts.push(await this.#volatile.load())
    const records = parts.flatMap((part) => part.records)
    for (const { kind, id, version } of records) this.#versions.set(recordKey(kind, id), version)
    this.#open = true
    return { records, setAside: parts.flatMap((part) => part.setAside) }
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (!this.#open) throw new CnmError('CLOSED', 'the store is not open')
    const keys = writes.map(({ kind, id }) => recordKey(kind, id))
    await this.#queue.run(keys, () => this.#commit(writes))
  }

  async lacks(kind: Kind, ids: readonly string[]): Promise<readonly string[]> {
    const there = new Set(await this.#files.get(kind)?.ids())
    return ids.filter((id) => !there.has(id))
  }

  async close(): Promise<void> {
    this.#open = false
    await this.#queue.idle()
    await this.#volatile.close()
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    const checked = checkWrites(writes, (key) => this.#versions.get(key) ?? 0)
    const volatile: CheckedWrite[] = []
    for (const write of checked) {
      const files = this.#files.get(write.kind)
      if (files === undefined) {
        volatile.push(write)
        continue
      }
      await (write.version === 0 ? files.delete(write.id) : files.write(write))
      this.#written(write)
    }
    if (volatile.length > 0) this.#volatile.commit(volatile)
    for (const write of volatile) this.#written(write)
  }

  #written({ key, version }: CheckedWrite): void {
    if (version === 0) this.#versions.delete(key)
    else this.#versions.set(key, version)
  }
}
