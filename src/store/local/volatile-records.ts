import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { newerVersion } from '../../base/newer-version.ts'
import type { CheckedWrite, Loaded, SetAside } from '../store.ts'
import { forbidLmdb, LMDB_FORMAT, lmdbFiles, removeUnfinished, takeOverLmdb } from './hand-over.ts'
import { JournalRecords } from './journal-records.ts'
import { makeFolder } from './make-folder.ts'
import { clearWay, kindOf, moveAside } from './move-aside.ts'
import { onDisk } from './unavailable.ts'

/**
 * What the records are: 1 had no links with groups of their networks, and no file `format`; 2 were the last ones in
 * LMDB. What a newer cnm has written is left alone.
 */
const FORMAT = 3

const ownFiles = ['records.journal', 'next.journal', 'reserve', 'format', 'opening'] as const

/**
 * The records that die with the boot, in a journal. Nothing is flushed, so the folder belongs on a tmpfs; on a disk
 * it works too, for what another boot left is thrown away unread. In the folder are, besides the journal:
 *
 * - `boot-id`: the boot that the rest belongs to
 * - `format`: how the rest is written
 */
export class VolatileRecords {
  readonly #folder: string
  readonly #format: string
  #journal: JournalRecords | undefined

  constructor(folder: string) {
    this.#folder = folder
    this.#format = join(folder, 'format')
  }

  /** Errors: NEWER_VERSION. Changes nothing. */
  async refuseNewer(): Promise<void> {
    await onDisk(this.#folder, async () => {
      // What another boot has left has no owner.
      if ((await this.#boot()) !== (await thisBoot()).trim()) return
      const format = await this.#writtenFormat()
      if (format > FORMAT) throw newerVersion(`what is in ${this.#folder}`, format, FORMAT)
    })
  }

  async load(): Promise<Loaded> {
    return onDisk(this.#folder, async () => {
      const setAside = [...(await this.#startFolder())]
      setAside.push(...(await clearWay(this.#folder, ownFiles)))
      await removeUnfinished(this.#folder)
      const isOurs = (await this.#writtenFormat()) > LMDB_FORMAT
      if (!isOurs) setAside.push(...(await takeOverLmdb(this.#folder)))
      const journal = new JournalRecords(this.#folder)
      this.#journal = journal
      const loaded = await journal.load()
      if (!isOurs) await writeFile(this.#format, `${FORMAT}\n`)
      await forbidLmdb(this.#folder)
      journal.takeReserve()
      return { records: loaded.records, setAside: [...setAside, ...loaded.setAside] }
    })
  }

  /** All or nothing, on the calling thread. */
  commit(writes: readonly CheckedWrite[]): void {
    if (this.#journal === undefined) throw new CnmError('CLOSED', 'the store is not open')
    this.#journal.commit(writes)
  }

  async close(): Promise<void> {
    this.#journal?.close()
    this.#journal = undefined
  }

  /** A folder that belongs to this boot. */
  async #startFolder(): Promise<readonly SetAside[]> {
    const boot = await thisBoot()
    const found = await this.#boot()
    if (found === boot.trim()) return []
    const setAside: SetAside[] = []
    // Of another boot it is only where it says so.
    if (!isBootId(found) && (await hasRecords(this.#folder))) {
      const reason = 'it does not say which boot its records belong to'
      setAside.push({ path: await moveAside(this.#folder), reason })
    }
    await rm(this.#folder, { recursive: true, force: true })
    await makeFolder(this.#folder)
    await writeFile(join(this.#folder, 'boot-id'), boot)
    return setAside
  }

  /** An editor may have changed how the line ends. */
  async #boot(): Promise<string> {
    return ((await readIfThere(join(this.#folder, 'boot-id'))) ?? '').trim()
  }

  async #writtenFormat(): Promise<number> {
    return Number((await readIfThere(this.#format)) ?? 1)
  }
}

function thisBoot(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8')
}

function isBootId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

async function hasRecords(folder: string): Promise<boolean> {
  for (const name of ['records.journal', ...lmdbFiles]) {
    if ((await kindOf(join(folder, name))) === 'file') return true
  }
  return false
}

async function readIfThere(path: string): Promise<string | undefined> {
  return (await kindOf(path)) === 'file' ? readFile(path, 'utf8') : undefined
}
