import { parseResolvConf } from '../../../dns/files/resolv-conf.ts'
import type { Upstream } from '../../../kernel/kept-resource.ts'
import { PathWatch, readBounded } from '../../../kernel/linux/service/index.ts'

/** So long a file that has become empty, or is missing, may still be in the making. */
const UNFINISHED_MS = 500

const nothing: readonly Upstream[] = []

/**
 * The servers a resolv.conf names, however it is changed. A missing one names none. Nothing of
 * it keeps the process alive.
 */
export class HostUpstreams {
  readonly #path: string
  readonly #onChange: () => void
  #text = ''
  #servers: readonly Upstream[] = nothing
  #emptySince: number | undefined
  #recheck: NodeJS.Timeout | undefined

  /** `onChange`: it says something else now, if not of its servers. Not for what it says at first. */
  constructor(path: string, onChange: () => void) {
    this.#path = path
    this.#onChange = onChange
    this.#take(textOf(path) ?? '')
    new PathWatch(() => this.#look()).start([path])
  }

  /** The same array until they change. */
  get servers(): readonly Upstream[] {
    return this.#servers
  }

  #look(): void {
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
}

function textOf(path: string): string | undefined {
  try {
    return readBounded(path, { follow: true })?.toString()
  } catch {
    return undefined
  }
}
