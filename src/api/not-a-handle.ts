import { CnmError } from '../base/errors.ts'

/** Who isn't helped by types hands in what is neither a name nor a handle, or another controller's. */
export function notA(kind: 'network' | 'sandbox', value: unknown): CnmError {
  return new CnmError('INVALID_ARGUMENT', `${nameOf(value)} is no ${kind} of this controller`, {
    hint:
      value instanceof Promise
        ? 'await it first'
        : `give its name or id, or what the controller's ${kind}(name) returns`,
  })
}

function nameOf(value: unknown): string {
  if (value instanceof Promise) return 'a promise'
  if (typeof value !== 'object' || value === null) return String(value)
  const { ref } = value as { readonly ref?: unknown }
  return typeof ref === 'string' ? `the handle "${ref}" of another controller` : 'an object'
}
