import { type FSWatcher, readFileSync, realpathSync, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { parseResolvConf } from '../../../dns/resolv-conf.ts'
import type { Upstream } from '../../../kernel/kept-resource.ts'

/** For what no watch tells: a folder that is replaced, a chain of links, a kernel that has no more watches. */
const POLL_MS = 750
/** So long a file that has become empty, or is missing, may still be in the making. */
const UNFINISHED_MS = 500

const nothing: readonly Upstream[] = []

/**
 * The servers a resolv.conf names, whoever changes it and however: in place, by another file under its
 * name, by where it links to. A missing one names none. Nothing of it keeps the process alive.
 */
export class HostUpstreams {
  readonly #path: string
  readonly #onChange: () => void
  /** By folder. */
  readonly #watches = new Map<string, FSWatcher>()
  #seen = ''
  #text = ''
  #servers: readonly Upstream[] = nothing
  #emptySince: number | undefined
  #recheck: NodeJS.Timeout | undefined

  /** `onChange`: it says something else now, if not of its servers. Not for what it says at first. */
  constructor(path: string, onChange: () => void) {
    this.#path = path
    this.#onChange = onChange
    this.#seen = identityOf(path)
    this.#take(textOf(path) ?? '')
    this.#watch()
    setInterval(() => this.#look(), POLL_MS).unref()
  }

  /** The same array until they change. */
  get servers(): readonly Upstream[] {
    return this.#servers
  }

  #look(): void {
    const identity = identityOf(this.#path)
    if (identity === this.#seen && this.#emptySince === undefined) return
    this.#seen = identity
    this.#watch()
    const text = textOf(this.#path) ?? ''
    if (this.#mayBeUnfinished(text) || text === this.#text) return
    this.#take(text)
    this.#onChange()
  }

  #mayBeUnfinished(text: string): boolean {
    if (text.trim() !== '' || this.#text.trim() === '') {
      this.#emptySince = undefined
      return false
    }
    const now = performance.now()
    this.#emptySince ??= now
    const leftMs = this.#emptySince + UNFINISHED_MS - now
    if (leftMs <= 0) {
      this.#emptySince = undefined
      return false
    }
    clearTimeout(this.#recheck)
    this.#recheck = setTimeout(() => this.#look(), leftMs).unref()
    return true
  }

  #take(text: string): void {
    this.#text = text
    const { servers } = parseResolvConf(text)
    if (JSON.stringify(servers) !== JSON.stringify(this.#servers)) this.#servers = servers
  }

  /** The folder it is in, and the one where the file is that it links to. */
  #watch(): void {
    const path = this.#path
    const target = targetOf(path)
    const names = new Map([[dirname(path), new Set([basename(path)])]])
    const more = names.get(dirname(target)) ?? new Set()
    names.set(dirname(target), more.add(basename(target)))
    for (const [folder, watcher] of this.#watches) {
      watcher.close()
      this.#watches.delete(folder)
    }
    for (const [folder, files] of names) this.#watchFolder(folder, files)
  }

  #watchFolder(folder: string, files: ReadonlySet<string>): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || files.has(name)) this.#look()
      })
      // The poll goes on without it.
      watcher.on('error', () => watcher.close())
      this.#watches.set(folder, watcher)
    } catch {
      // Neither is it needed where there is no such folder yet.
    }
  }
}

function textOf(path: string): string | undefined {
  try {
    // What is no file (a pipe) may never end.
    return statSync(path).isFile() ? readFileSync(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}

/** Changes whenever the file does, or another one takes its place. */
function identityOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch {
    return ''
  }
}

function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
