import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { newerVersion } from '../../base/newer-version.ts'
import { parser } from '../../base/parse.ts'
import { Type } from '../../base/schema.ts'
import type { CheckedWrite, Json, Kind, Loaded, SetAside, StoredRecord } from '../store.ts'
import { makeFolder, syncFolder } from './make-folder.ts'
import { moveAside } from './move-aside.ts'
import { isErrno, onDisk } from './unavailable.ts'

/** How a file is written; a newer one is left alone. */
const FORMAT = 1

const parseFile = parser(
  Type.Object(
    {
      format: Type.Literal(FORMAT),
      id: Type.String(),
      version: Type.Integer({ minimum: 1 }),
      sha256: Type.String(),
      value: Type.Unknown(),
    },
    { additionalProperties: false },
  ),
  'the record',
)

/**
 * The records of one durable kind: a folder with one JSON file for each, `<id>.json`. A file is
 * written beside its place, flushed and renamed, so what is there under its name is always whole.
 */
export class RecordFiles {
  readonly #kind: Kind
  readonly #folder: string

  constructor(kind: Kind, folder: string) {
    this.#kind = kind
    this.#folder = folder
  }

  /** Errors: NEWER_VERSION. Changes nothing. */
  async refuseNewer(): Promise<void> {
    await onDisk(this.#folder, async () => {
      for (const id of await this.ids()) {
        const format = formatOf(await readOrdinary(this.#path(id)).catch(() => ''))
        if (format > FORMAT) throw newerVersion(`the file ${this.#path(id)}`, format, FORMAT)
      }
    })
  }

  async load(): Promise<Loaded> {
    return onDisk(this.#folder, async () => {
      await makeFolder(this.#folder)
      const records: StoredRecord[] = []
      const setAside: SetAside[] = []
      for (const name of (await readdir(this.#folder)).sort()) {
        const path = join(this.#folder, name)
        if (name.endsWith('.json.tmp')) await rm(path, { recursive: true })
        if (!name.endsWith('.json')) continue
        const found = await this.#read(path, name.slice(0, -'.json'.length))
        if (typeof found !== 'string') records.push(found)
        else setAside.push({ path: await moveAside(path), reason: found })
      }
      return { records, setAside }
    })
  }

  /** Of those that are there, whatever is in them. */
  async ids(): Promise<readonly string[]> {
    return onDisk(this.#folder, async () => {
      const names = await readdir(this.#folder).catch((error: unknown) => {
        if (isErrno(error, 'ENOENT')) return []
        throw error
      })
      return names
        .filter((name) => name.endsWith('.json'))
        .map((name) => name.slice(0, -'.json'.length))
    })
  }

  /** On the disk when it resolves. */
  async write({ id, version, value }: CheckedWrite): Promise<void> {
    const path = this.#path(id)
    const sha256 = checksum(id, version, value)
    const text = `${JSON.stringify({ format: FORMAT, id, version, sha256, value }, null, 2)}\n`
    const temporary = `${path}.tmp`
    await onDisk(path, async () => {
      // It may have been removed.
      await makeFolder(this.#folder)
      try {
        await writeAndSync(temporary, text)
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {})
        throw error
      }
      await syncFolder(this.#folder)
    })
  }

  async delete(id: string): Promise<void> {
    const path = this.#path(id)
    await onDisk(path, async () => {
      await makeFolder(this.#folder)
      await rm(path, { force: true })
      await syncFolder(this.#folder)
    })
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`)
  }

  /** The record, or what is wrong with the file as a sentence. */
  async #read(path: string, id: string): Promise<StoredRecord | string> {
    try {
      const file = parseFile(JSON.parse(await readOrdinary(path)))
      if (file.id !== id) return `it holds the record of another ${this.#kind}, ${file.id}`
      const value = file.value as Json
      if (file.sha256 !== checksum(id, file.version, value)) return 'its checksum is wrong'
      return { kind: this.#kind, id, version: file.version, value }
    } catch (error) {
      if (error instanceof SyntaxError) return `it is not JSON: ${error.message}`
      if (isCnmError(error)) return error.message
      if (isErrno(error, ...unreadable)) return `it can't be read: ${(error as Error).message}`
      throw error
    }
  }
}

/** A socket, a device that is not there, a circle of links, a damaged disk. */
const unreadable = ['ENXIO', 'ENODEV', 'ELOOP', 'EIO']

/** Never waits, as a FIFO would have it. Errors: CnmError where it is no file. */
async function readOrdinary(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if ((await file.stat()).isFile()) return await file.readFile('utf8')
    throw new CnmError('STORE_UNAVAILABLE', 'it is no file')
  } finally {
    await file.close()
  }
}

/** 0: it says none that could be a later one. */
function formatOf(text: string): number {
  try {
    const { format } = JSON.parse(text) as { readonly format?: unknown }
    return Number.isSafeInteger(format) ? (format as number) : 0
  } catch {
    return 0
  }
}

/** Over the parsed values, not the file's text: re-indenting a file by hand does no harm. */
function checksum(id: string, version: number, value: Json): string {
  return createHash('sha256')
    .update(JSON.stringify([id, version, value]))
    .digest('hex')
}

async function writeAndSync(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
