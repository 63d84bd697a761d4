import { notA } from '../api/not-a-handle.ts'
import type { Connection } from './connection.ts'

type Kind = 'network' | 'endpoint' | 'sandbox'

/** It names something that the daemon has; making one asks nothing. */
export abstract class Remote {
  abstract readonly kind: Kind
  readonly ref: string
  protected readonly connection: Connection

  constructor(connection: Connection, ref: string) {
    this.connection = connection
    this.ref = ref
  }
}

/** A name or id, or what the client's own verbs returned. */
export function refOf(kind: 'network' | 'sandbox', value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Remote && value.kind === kind) return value.ref
  throw notA(kind, value)
}
