import { rm } from 'node:fs/promises'
import { acquireEngineLock, type LockFile } from './engine-lock.ts'
import { makeFolder } from './make-folder.ts'

interface FolderPaths {
  readonly stateDir: string
  readonly runDir: string
}

/** The folders of an engine: no other engine's as long as they are held. */
interface EngineFolders {
  /** Idempotent. */
  release(): void
  /** The engine can't start: what was made for it goes, unless it has been one before. Then they are released. */
  abandon(): Promise<void>
}

/**
 * Makes both folders this process's, and before that, makes them where they aren't there. Two engines with
 * one run folder would take each other's keeper and sandboxes. Errors: ENGINE_RUNNING, STORE_UNAVAILABLE.
 */
export async function holdFolders(
  { stateDir, runDir }: FolderPaths,
  lockFile: LockFile,
): Promise<EngineFolders> {
  const made: string[] = []
  const locks: { release(): void }[] = []
  const folders: EngineFolders = {
    release() {
      for (const lock of locks) lock.release()
    },
    async abandon() {
      // A process that was started with this state may have left something that is wanted.
      if (made.includes(stateDir)) {
        // What led here is told; that this fails too is of no help.
        for (const folder of made) await rm(folder, { recursive: true }).catch(() => {})
      }
      folders.release()
    },
  }
  const hold = async (folder: string, what: 'state' | 'run', mode: number) => {
    const isNew = await makeFolder(folder, mode)
    locks.push(await acquireEngineLock(folder, lockFile, what))
    if (isNew) made.push(folder)
  }
  try {
    await hold(stateDir, 'state', 0o700)
    await hold(runDir, 'run', 0o755)
    return folders
  } catch (error) {
    await folders.abandon()
    throw error
  }
}
