import { CnmError } from '../base/errors.ts'
import type { Connection } from './connection.ts'

export type Kind = 'network' | 'endpoint' | 'sandbox'

/** Something that the daemon has, as this program knows it. */
export abstract class Remote<Info extends { readonly id: string; readonly name: string }> {
  abstract readonly kind: Kind
  readonly id: string
  protected readonly connection: Connection
  #info: Info

  constructor(connection: Connection, info: Info) {
    this.connection = connection
    this.id = info.id
    this.#info = info
  }

  get name(): string {
    return this.#info.name
  }

  /** As it was when the daemon last told of it. `inspect` asks again. */
  get info(): Info {
    return this.#info
  }

  protected renew(info: Info): Info {
    this.#info = info
    return info
  }
}

/** A name or id, or what the client's own verbs returned. */
export function idOf(kind: Kind, value: string | Remote<{ id: string; name: string }>): string {
  if (typeof value === 'string') return value
  if (value instanceof Remote && value.kind === kind) return value.id
  throw new CnmError('INVALID_ARGUMENT', `${String(value)} is no ${kind} of a daemon`, {
    hint: `give its name or id, or what the client's ${kind}(name) returns`,
  })
}
