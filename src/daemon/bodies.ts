import type { Cancellable } from '../api/option-fields.ts'
import { CnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import type { Static, TSchema } from '../base/schema.ts'

/**
 * A body as options for the model, which parses them: so it is refused in the words of the library. What is
 * no object stays what it is, and fails there.
 */
export function given<T>(body: T, signal: AbortSignal): T & Cancellable {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return body as T & Cancellable
  if ('signal' in body) {
    throw new CnmError('INVALID_ARGUMENT', 'request body: unknown key "signal"')
  }
  return { ...body, signal }
}

/** Makes a parser for the body of a route that has no options of the model's. */
export function taker<Schema extends TSchema>(
  schema: Schema,
  what = 'request body',
): (body: unknown) => Static<Schema> {
  return parser(schema, what)
}
