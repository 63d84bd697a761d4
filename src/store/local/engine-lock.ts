import { closeSync, ftruncateSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { makeFolder } from './make-folder.ts'
import { onDisk, unavailable } from './unavailable.ts'

/** Opens a file (making it if need be) and locks it; undefined if another process holds the lock. */
export type LockFile = (path: string) => number | undefined

/** Held for as long as the process lives, or until it is released. */
export interface EngineLock {
  release(): void
}

/**
 * Makes this process the one engine of a state folder. The lock ends with the process, however that
 * ends, and is not inherited by programs. Errors: ENGINE_RUNNING (names the process that has it),
 * STORE_UNAVAILABLE.
 */
export async function acquireEngineLock(stateDir: string, lockFile: LockFile): Promise<EngineLock> {
  const path = join(stateDir, 'lock')
  await makeFolder(stateDir)
  const fd = await onDisk(path, async () => lockFile(path))
  if (fd === undefined) throw await engineRunning(stateDir, path)
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

async function engineRunning(stateDir: string, path: string): Promise<CnmError> {
  const pid = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10)
  const who = Number.isNaN(pid) ? 'another process' : `process ${pid}`
  return new CnmError('ENGINE_RUNNING', `${who} is the engine of the state folder ${stateDir}`, {
    details: { stateDir, ...(Number.isNaN(pid) ? {} : { pid }) },
    hint: 'talk to that one, stop it, or use another state folder',
  })
}
