import { CnmError } from '../base/errors.ts'
import { Type } from '../base/schema.ts'

/** Every call can be cancelled; a cancelled call leaves nothing half made. */
export interface Cancellable {
  readonly signal?: AbortSignal
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/
export const Name = Type.String({ pattern: NAME.source })
export const Labels = Type.Record(Type.String(), Type.String())
/** Options of a driver or endpoint, by label. */
export const LabelledValues = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
)
export const strict = { additionalProperties: false }

/** The signal is no data. */
export function withoutSignal<T extends Cancellable>(value: T): Omit<T, 'signal'> {
  if (typeof value !== 'object' || value === null) return value
  const { signal: _, ...data } = value
  return data
}

/** A bad name gets a sentence of its own instead of a pattern. */
export function named<T>(
  value: Cancellable & { readonly name?: unknown; readonly aliases?: unknown },
  parse: (value: unknown) => T,
): T {
  refuseBadNames(value)
  return parse(withoutSignal(value))
}

/** Whatever else is wrong with it is the parser's business. */
export function refuseBadNames(value: {
  readonly name?: unknown
  readonly aliases?: unknown
}): void {
  const { name, aliases } = value ?? {}
  for (const each of [name, ...(Array.isArray(aliases) ? aliases : [])]) {
    if (typeof each !== 'string' || NAME.test(each)) continue
    throw new CnmError('INVALID_NAME', `${JSON.stringify(each)} is not a name`, {
      details: { name: each },
      hint: 'a name has up to 128 letters, digits, "_", "." and "-" and starts with a letter or digit',
    })
  }
}
