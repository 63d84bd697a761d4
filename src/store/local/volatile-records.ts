import { statfsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { newerVersion } from '../../base/newer-version.ts'
import type { CheckedWrite, Loaded } from '../store.ts'
import { type Environment, openEnvironment, salvage, writeRecords } from './lmdb-environment.ts'
import { makeFolder } from './make-folder.ts'
import { exists, moveAside } from './move-aside.ts'
import { isErrno, onDisk, unavailable } from './unavailable.ts'

/**
 * What the records are: 1 had no links with groups of their networks, and no file `format`. What a newer
 * cnm has written is left alone.
 */
const FORMAT = 2

/**
 * The records that die with the boot, in LMDB. Nothing is flushed, so the folder belongs on a tmpfs;
 * on a disk it works too, for what another boot left is thrown away unread.
 *
 * A damaged LMDB file can kill the process that opens it, at once or at a later write. So a file is
 * written by one process only: at the start the one that is there is just read, under a marker that
 * tells the next start if this one didn't survive that, and what was read goes to a new file.
 *
 * - `boot-id`: the boot that the rest belongs to
 * - `format`: how the rest is written
 * - `records.mdb`: the records
 * - `previous.mdb`: the records, while `records.mdb` isn't complete yet
 * - `opening`: `previous.mdb` is being read; one character for each engine that tried
 */
export class VolatileRecords {
  readonly #folder: string
  readonly #current: string
  readonly #previous: string
  readonly #marker: string
  readonly #format: string
  #environment: Environment | undefined
  /** How many records are there. */
  #count = 0

  constructor(folder: string) {
    this.#folder = folder
    this.#current = join(folder, 'records.mdb')
    this.#previous = join(folder, 'previous.mdb')
    this.#marker = join(folder, 'opening')
    this.#format = join(folder, 'format')
  }

  /** Errors: NEWER_VERSION. Changes nothing. */
  async refuseNewer(): Promise<void> {
    await onDisk(this.#folder, async () => {
      // What another boot has left is nobody's.
      if ((await this.#boot()) !== (await thisBoot())) return
      const format = Number((await readIfThere(this.#format)) ?? 1)
      if (format > FORMAT) throw newerVersion(`what is in ${this.#folder}`, format, FORMAT)
    })
  }

  async load(): Promise<Loaded> {
    return onDisk(this.#folder, async () => {
      await this.#startFolder()
      if (await exists(this.#previous)) await rm(this.#current, { force: true })
      else if (await exists(this.#current)) await rename(this.#current, this.#previous)
      const loaded = await this.#loadPrevious()
      const environment = await openEnvironment(this.#current)
      this.#environment = environment
      this.#count = loaded.records.length
      writeRecords(environment, loaded.records, this.#count)
      await writeFile(this.#format, `${FORMAT}\n`)
      await rm(this.#previous, { force: true })
      await rm(`${this.#previous}-lock`, { force: true })
      return loaded
    })
  }

  /** All or nothing, on the calling thread. */
  commit(writes: readonly CheckedWrite[]): void {
    if (this.#environment === undefined) throw new CnmError('CLOSED', 'the store is not open')
    const made = writes.filter((write) => write.before === 0 && write.version > 0).length
    const gone = writes.filter((write) => write.before > 0 && write.version === 0).length
    const count = this.#count + made - gone
    try {
      // What only takes away has that room.
      if (writes.some(({ version }) => version > 0)) refuseFull(this.#folder)
      writeRecords(this.#environment, writes, count)
    } catch (error) {
      throw unavailable(error, this.#current)
    }
    this.#count = count
  }

  async close(): Promise<void> {
    // Closing before what was written is flushed hangs for ever (lmdb 3.5).
    await this.#environment?.flushed
    await this.#environment?.close()
    this.#environment = undefined
  }

  /** A folder that belongs to this boot. */
  async #startFolder(): Promise<void> {
    const boot = await thisBoot()
    if ((await this.#boot()) === boot) return
    await rm(this.#folder, { recursive: true, force: true })
    await makeFolder(this.#folder)
    await writeFile(join(this.#folder, 'boot-id'), boot)
  }

  #boot(): Promise<string | undefined> {
    return readIfThere(join(this.#folder, 'boot-id'))
  }

  /** What can be read of the previous file; it is set aside if that isn't all. */
  async #loadPrevious(): Promise<Loaded> {
    try {
      if (!(await exists(this.#previous))) return { records: [], setAside: [] }
      const { records, wrong } = await this.#readPrevious()
      if (wrong.length === 0) return { records, setAside: [] }
      const path = await moveAside(this.#previous)
      return { records, setAside: wrong.map((reason) => ({ path, reason })) }
    } finally {
      await rm(this.#marker, { force: true })
    }
  }

  async #readPrevious() {
    const deaths = (await readIfThere(this.#marker)) ?? ''
    // Once may have been a kill at that very moment; a damaged file kills every time.
    if (deaths.length > 1) {
      return { records: [], wrong: ['two engines that were to read this file died of it'] }
    }
    await writeFile(this.#marker, `${deaths}x`)
    return salvage(this.#previous)
  }
}

/** Where there is less room, lmdb 3.5 may end the process (SIGABRT) at a write that fails, or at the next. */
const LEAST_ROOM_BYTES = 128 * 1024

function refuseFull(folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize >= LEAST_ROOM_BYTES) return
  throw Object.assign(new Error('there is no space left'), { code: 'ENOSPC' })
}

function thisBoot(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8')
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  })
}
