import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isErrno, onDisk } from './unavailable.ts'

/**
 * Makes a folder, and those above it that are missing; all of them are on the disk when it resolves.
 * Node's own recursive `mkdir` never ends where none can be made, as below /proc. false: it was there
 * already. Errors: STORE_UNAVAILABLE.
 */
export async function makeFolder(path: string, mode = 0o700): Promise<boolean> {
  return onDisk(path, () => makeAll(path, mode))
}

async function makeAll(path: string, mode: number): Promise<boolean> {
  if (await isFolder(path)) return false
  const parent = dirname(path)
  if (parent !== path) await makeAll(parent, mode)
  let isMade = true
  try {
    await mkdir(path, { mode })
  } catch (error) {
    // Another process may have been faster.
    if (!isErrno(error, 'EEXIST') || !(await isFolder(path))) throw error
    isMade = false
  }
  await syncFolder(parent)
  return isMade
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** A file's name is on the disk only when its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
