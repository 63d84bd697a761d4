import type { KeptResource } from '../../kept-resource.ts'
import { resourceKey } from '../../resource.ts'
import { isSame } from '../../same-resource.ts'
import { OpenListeners } from '../ports/open-listeners.ts'

/** What the keeper holds, as far as it has been told: as it has acknowledged, or will. */
export class Mirror {
  /** Where what it holds listens on the host. */
  readonly listeners = new OpenListeners()
  readonly #kept = new Map<string, KeptResource>()

  get(key: string): KeptResource | undefined {
    return this.#kept.get(key)
  }

  all(): readonly KeptResource[] {
    return [...this.#kept.values()]
  }

  /** Whether it has that already, just so. */
  hasSame(resource: KeptResource): boolean {
    return isSame(this.#kept.get(resourceKey(resource)), resource)
  }

  /** Whether it has the sockets of that resource: only the rest has to be told if it changes. */
  hasSocketsOf(resource: KeptResource): boolean {
    const kept = this.#kept.get(resourceKey(resource))
    return kept !== undefined && placeOf(kept) === placeOf(resource)
  }

  /** undefined: it has none of that key. */
  set(key: string, resource: KeptResource | undefined): void {
    const before = this.#kept.get(key)
    if (before !== undefined) this.listeners.delete(before)
    if (resource === undefined) {
      this.#kept.delete(key)
    } else {
      this.#kept.set(key, resource)
      this.listeners.add(resource)
    }
  }

  clear(): void {
    for (const key of [...this.#kept.keys()]) this.set(key, undefined)
  }
}

/** Where its sockets are. */
function placeOf(resource: KeptResource): string {
  switch (resource.kind) {
    case 'resolver': {
      const { path, cookie } = resource.namespace
      return `${path} ${cookie ?? ''} ${resource.sandbox}`
    }
    case 'relay':
      return `${resource.protocol} ${resource.listen.address} ${resource.listen.port}`
    case 'zone':
      return resource.listen
    case 'names':
      return ''
  }
}
