import { rm, writeFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { open, type RootDatabase } from 'lmdb'
import { type Json, type Kind, recordKey, type StoredRecord } from '../store.ts'

interface LmdbContents {
  readonly records: readonly StoredRecord[]
  /** A sentence for everything that could not be read. */
  readonly wrong: readonly string[]
}

/** Records can get lost with a damaged page without any error, so their number is kept too. */
const countKey = 'count'

/** Opens an LMDB file that no other process has open, or makes it. Throws where the disk is full. */
async function openFile(path: string, options: { readonly readOnly?: boolean } = {}) {
  // Without space for its first pages lmdb 3.5 ends in a SIGSEGV, not in an error.
  await writeFile(`${path}-room`, Buffer.alloc(64 * 1024))
  await rm(`${path}-room`)
  // LMDB maps its lock file and writes through the map: with a hole in it and no space left that is
  // a SIGBUS. Given a lock file that is long enough and has its blocks, it takes it as it is.
  const lock = `${path}-lock`
  await rm(lock, { force: true })
  await writeFile(lock, Buffer.alloc(16 * 1024), { mode: 0o600 })
  return open<string, string>({
    path,
    noSubdir: true,
    noSync: true,
    encoding: 'string',
    ...options,
  })
}

/** Makes a file with these records. May kill the process. */
export async function writeLmdb(path: string, records: readonly StoredRecord[]): Promise<void> {
  const file = await openFile(path)
  file.transactionSync(() => {
    for (const { kind, id, version, value } of records) {
      const key = recordKey(kind, id)
      file.putSync(key, seal(key, JSON.stringify([version, value])))
    }
    file.putSync(countKey, seal(countKey, `${records.length}`))
  })
  // Its first page may be that of the last commit or of the one before, so each has everything.
  file.putSync(countKey, seal(countKey, `${records.length}`))
  // Closing before what was written is flushed hangs for ever (lmdb 3.5).
  await file.flushed
  await file.close()
}

/** Everything in a file that may be damaged. May kill the process; throws only what the disk refuses. */
export async function readLmdb(path: string): Promise<LmdbContents> {
  const records: StoredRecord[] = []
  const wrong: string[] = []
  let file: RootDatabase<string, string> | undefined
  try {
    file = await openFile(path, { readOnly: true })
    let count: number | undefined
    for (const [key, text] of sealedEntries(file)) {
      if (text === undefined) wrong.push(`the record ${key} is damaged and was dropped`)
      else if (key === countKey) count = Number(text)
      else records.push(recordOf(key, text))
    }
    // Without a count and records, nothing was ever written.
    if (count !== records.length && (count ?? records.length) > 0) {
      wrong.push(`${records.length} of ${count ?? 'an unknown number of'} records could be read`)
    }
  } catch (error) {
    if (typeof (error as { readonly code?: unknown }).code === 'string') throw error
    wrong.push(`the file is damaged: ${(error as Error).message}`)
  } finally {
    await file?.close()
  }
  return { records, wrong }
}

function* sealedEntries(
  file: RootDatabase<string, string>,
): Generator<[string, string | undefined]> {
  let last = ''
  for (const { key, value } of file.getRange()) {
    // A damaged tree can lead round in circles.
    if (key <= last) throw new Error('its keys are out of order')
    last = key
    yield [key, unseal(key, value)]
  }
}

function recordOf(key: string, text: string): StoredRecord {
  const [version, value] = JSON.parse(text) as [number, Json]
  const slash = key.indexOf('/')
  return { kind: key.slice(0, slash) as Kind, id: key.slice(slash + 1), version, value }
}

/** The checksum covers the key too: a damaged page can put a sound value under another key. */
function seal(key: string, text: string): string {
  return crc32(text, crc32(key)).toString(16).padStart(8, '0') + text
}

function unseal(key: string, sealed: string): string | undefined {
  const text = sealed.slice(8)
  return sealed === seal(key, text) ? text : undefined
}
