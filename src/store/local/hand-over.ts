import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import type { SetAside } from '../store.ts'
import { askLmdb } from './lmdb-process.ts'
import { exists, moveAside } from './move-aside.ts'
import { isErrno, onDisk } from './unavailable.ts'

/** The last format that was in LMDB; those before 2 have no file that says it. */
export const LMDB_FORMAT = 2

/** What releases with LMDB had, the incomplete one first. Only the last of those that are there counts. */
export const lmdbFiles = ['records.mdb', 'previous.mdb'] as const

/**
 * Makes a journal of the records that a release with LMDB has left in that folder. What it can't have read is set
 * aside; then what there is on the host is recognised by the kernel's state. Until `forbidLmdb` they are what counts.
 */
export async function takeOverLmdb(folder: string): Promise<readonly SetAside[]> {
  let from: string | undefined
  for (const name of lmdbFiles) if (await isFile(join(folder, name))) from = join(folder, name)
  if (from === undefined) return []
  const next = unfinished(folder, 'next.journal')
  const { wrong, failure } = await askLmdb(['read', from, next])
  const reasons =
    failure === undefined ? wrong : [`${failure}, so none of its records could be read`]
  const journal = join(folder, 'records.journal')
  const older: SetAside[] = []
  if (failure === undefined) await rename(next, journal)
  else if (await exists(journal)) {
    // What a hand-over that was broken off has left.
    older.push({ path: await moveAside(journal), reason: `it is older than ${from}` })
  }
  if (reasons.length === 0) return []
  const path = await moveAside(from)
  return [...reasons.map((reason) => ({ path, reason })), ...older]
}

/** No other process has a file of that name, not even one that an engine before has left behind. */
function unfinished(folder: string, name: string): string {
  return join(folder, `${name}-${process.pid}-${randomUUID()}`)
}

/** What a hand-over that was broken off has left, either way: it takes room. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^(next\.journal|written\.mdb)(-|$)/.test(name)) continue
    await rm(join(folder, name), { recursive: true, force: true })
  }
}

/**
 * Removes what a release with LMDB had. Folders take its place: the release before, which doesn't look at formats,
 * can't remove them at its start, and refuses that before it has changed anything.
 */
export async function forbidLmdb(folder: string): Promise<void> {
  for (const name of lmdbFiles) {
    const path = join(folder, name)
    if (await isFile(path)) await rm(path)
    for (const more of ['-lock', '-room']) await rm(`${path}${more}`, { force: true })
    await mkdir(path).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error
    })
  }
  await rm(join(folder, 'opening'), { force: true })
}

/** Errors: STORE_UNAVAILABLE (`handBackRecords` could not do its work). Changes nothing. */
export async function requireLmdb(): Promise<void> {
  const { failure } = await askLmdb(['is-there'])
  if (failure !== undefined) throw cannot(failure)
}

/**
 * Writes the records of this boot as a release with LMDB has them. The caller holds the run folder, and no store is
 * open on it. Errors: STORE_UNAVAILABLE; they are still ours then.
 */
export async function handBackRecords(runDir: string): Promise<void> {
  const folder = join(runDir, 'records')
  const journal = join(folder, 'records.journal')
  await onDisk(folder, async () => {
    if (!(await exists(journal))) return
    await removeUnfinished(folder)
    const written = unfinished(folder, 'written.mdb')
    const { failure } = await askLmdb(['write', journal, written])
    if (failure !== undefined) throw cannot(failure)
    await rm(`${written}-lock`, { force: true })
    await renewBootId(folder)
    // From here on LMDB's file counts, if there is one: what the release before writes must never be taken for older.
    await writeFile(join(folder, 'format'), `${LMDB_FORMAT}\n`)
    const [records, previous] = lmdbFiles.map((name) => join(folder, name)) as [string, string]
    // The release before looks there first. As long as the other one is a folder, it does not start.
    await removeFolder(previous)
    await rename(written, previous)
    await removeFolder(records)
    for (const name of ['records.journal', 'reserve']) await rm(join(folder, name), { force: true })
  })
}

/** The release before throws everything away where a character of it is different. */
async function renewBootId(folder: string): Promise<void> {
  const next = join(folder, 'boot-id.next')
  await writeFile(next, await readFile('/proc/sys/kernel/random/boot_id'))
  await rename(next, join(folder, 'boot-id'))
}

async function removeFolder(path: string): Promise<void> {
  await rmdir(path).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
}

function cannot(failure: string): CnmError {
  return new CnmError(
    'STORE_UNAVAILABLE',
    `the records can't be written for the release before: ${failure}`,
    failure.includes('not installed')
      ? { hint: 'install it beside libcnm (`npm install lmdb`) and repeat' }
      : {},
  )
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
