import { Type } from 'typebox'
import { CnmError } from '../base/errors.ts'

/** Every call can be cancelled; a cancelled call leaves nothing half made. */
export interface Cancellable {
  readonly signal?: AbortSignal
}

export const Name = Type.String({ pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$' })
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
  value: Cancellable & { readonly name?: unknown },
  parse: (value: unknown) => T,
): T {
  const name: unknown = value?.name
  if (typeof name === 'string' && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) {
    throw new CnmError('INVALID_NAME', `${JSON.stringify(name)} is not a name`, {
      details: { name },
      hint: 'a name has up to 128 letters, digits, "_", "." and "-" and starts with a letter or digit',
    })
  }
  return parse(withoutSignal(value))
}
