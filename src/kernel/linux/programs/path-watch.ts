import { type FSWatcher, realpathSync, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** For what no watch tells: a folder that is replaced, a chain of links, a kernel that has no more watches. */
const POLL_MS = 750

/**
 * Tells when paths lead to other files than before, or to any at all, by any process and in any way:
 * in place, by another file under their names, by where they link to. Nothing of it keeps the process alive.
 */
export class PathWatch {
  readonly #onChange: () => void
  readonly #paths = new Set<string>()
  /** By folder. */
  readonly #watches = new Map<string, FSWatcher>()
  #poll: NodeJS.Timeout | undefined
  #seen = ''

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** What they lead to now is known when it returns. */
  start(paths: readonly string[]): void {
    for (const path of paths) this.#paths.add(path)
    this.#poll ??= setInterval(() => this.#look(), POLL_MS).unref()
    this.#look()
  }

  stop(): void {
    clearInterval(this.#poll)
    this.#poll = undefined
    this.#seen = ''
    this.#paths.clear()
    for (const watcher of this.#watches.values()) watcher.close()
    this.#watches.clear()
  }

  #look(): void {
    const targets = [...this.#paths].map((path) => [path, targetOf(path)] as const)
    const seen = targets.map(([path, target]) => `${path} ${target} ${stateAt(path)}`).join('\n')
    if (seen === this.#seen) return
    this.#seen = seen
    const all = targets.flatMap(([path, target = path]) => [path, target])
    this.#watch(new Set(all.map((path) => dirname(path))))
    this.#onChange()
  }

  #watch(folders: ReadonlySet<string>): void {
    for (const [folder, watcher] of this.#watches) {
      watcher.close()
      this.#watches.delete(folder)
    }
    for (const folder of folders) this.#watchFolder(folder)
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#look())
      // The poll goes on without it.
      watcher.on('error', () => watcher.close())
      this.#watches.set(folder, watcher)
    } catch {
      // Neither is it needed where there is no such folder yet.
    }
  }
}

/** What can't be told now may be the next time it is looked. */
function targetOf(path: string): string | undefined {
  try {
    return realPath(path)
  } catch {
    return undefined
  }
}

/** By all symbolic links, as /etc/resolv.conf may be one; undefined: nothing is there. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined
    throw error
  }
}

/** Changes whenever the file does, or another one takes its place. */
function stateAt(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch {
    return undefined
  }
}

/** Which file it is; undefined: there is none. */
export function fileAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
