import type { IpAddress } from '../../address/address.ts'

interface Entry {
  readonly address: IpAddress
  older: Entry | undefined
  newer: Entry | undefined
}

/**
 * Released addresses in the order of their release. A linked list, because an address can also be
 * taken out of the middle, and a Set's first member is slow to find once many have been taken out.
 */
export class ReleaseQueue {
  readonly #entries = new Map<IpAddress, Entry>()
  #oldest: Entry | undefined
  #newest: Entry | undefined

  has(address: IpAddress): boolean {
    return this.#entries.has(address)
  }

  /** `address` must not be there. */
  push(address: IpAddress): void {
    const entry: Entry = { address, older: this.#newest, newer: undefined }
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
    this.#entries.set(address, entry)
  }

  delete(address: IpAddress): void {
    const entry = this.#entries.get(address)
    if (entry === undefined) return
    this.#entries.delete(address)
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
  }

  /** Takes the one that was released first. */
  shift(): IpAddress | undefined {
    const address = this.#oldest?.address
    if (address !== undefined) this.delete(address)
    return address
  }
}
