import type { Namespaces } from './namespace.ts'
import { ownPlace, type Place } from './place.ts'
import { setLink } from './rtnetlink/link.ts'

/**
 * New network namespaces, `lo` up, not mounted anywhere yet. After the first, one is made in advance
 * while nobody waits: that is a third of what attaching takes. Nothing but its descriptors keeps it.
 */
export class NamespaceStock {
  readonly #namespaces: Namespaces
  #spare: Place | undefined
  #isWanted = false
  #isClosed = false

  constructor(namespaces: Namespaces) {
    this.#namespaces = namespaces
  }

  take(): Place {
    const spare = this.#spare
    this.#spare = undefined
    this.#isWanted = true
    return spare ?? this.#make()
  }

  /** To be called when there is nothing else to do. */
  restock(): void {
    if (!this.#isWanted || this.#isClosed) return
    this.#isWanted = false
    try {
      this.#spare = this.#make()
    } catch {
      // Whoever needs one next will be told why there is none.
    }
  }

  /** From now on nothing is made in advance. */
  close(): void {
    this.#isClosed = true
    this.#spare?.close()
    this.#spare = undefined
  }

  #make(): Place {
    return this.#namespaces.make(() => {
      const place = ownPlace()
      try {
        place.socket.request(setLink('lo', { up: true }))
        return place
      } catch (error) {
        place.close()
        throw error
      }
    })
  }
}
