import { statSync } from 'node:fs'

/** Whether a path still leads to what it led to at first. */
export class PathIdentity {
  readonly #path: string
  readonly #first: string | undefined

  constructor(path: string) {
    this.#path = path
    this.#first = identityAt(path)
  }

  isSame(): boolean {
    return this.#first !== undefined && identityAt(this.#path) === this.#first
  }
}

/** undefined: there is nothing. */
function identityAt(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}:${found.birthtimeNs}`
}
