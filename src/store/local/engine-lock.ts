import { closeSync, ftruncateSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { onDisk, unavailable } from './unavailable.ts'

/** Opens a file (making it if need be) and locks it; undefined if another process holds the lock. */
export type LockFile = (path: string) => number | undefined

/** Held for as long as the process lives, or until it is released. */
interface EngineLock {
  release(): void
}

type FolderKind = 'state' | 'run'

/**
 * Makes this process the one engine of a state or run folder. The lock ends with the process, however that
 * ends, and is not inherited by programs. Errors: ENGINE_RUNNING (names the process that has it),
 * STORE_UNAVAILABLE.
 */
export async function acquireEngineLock(
  folder: string,
  lockFile: LockFile,
  what: FolderKind = 'state',
): Promise<EngineLock> {
  // Both folders may be one.
  const path = join(folder, what === 'state' ? 'lock' : 'run.lock')
  const fd = await onDisk(path, async () => lockFile(path))
  if (fd === undefined) throw await engineRunning(folder, path, what)
  try {
    ftruncateSync(fd)
    writeSync(fd, `${process.pid}\n`)
  } catch (error) {
    closeSync(fd)
    throw unavailable(error, path)
  }
  let held = true
  return {
    release() {
      if (held) closeSync(fd)
      held = false
    },
  }
}

async function engineRunning(folder: string, path: string, what: FolderKind): Promise<CnmError> {
  const pid = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10)
  const who = Number.isNaN(pid) ? 'another process' : `process ${pid}`
  return new CnmError('ENGINE_RUNNING', `${who} is the engine of the ${what} folder ${folder}`, {
    details: { [`${what}Dir`]: folder, ...(Number.isNaN(pid) ? {} : { pid }) },
    hint: `talk to that one, stop it, or use another ${what} folder`,
  })
}
