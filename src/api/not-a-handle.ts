import { CnmError } from '../base/errors.ts'

/** Who isn't helped by types hands in what is neither a name nor a handle, or another controller's. */
export function notA(kind: 'network' | 'sandbox', value: unknown): CnmError {
  return new CnmError('INVALID_ARGUMENT', `${String(value)} is no ${kind} of this controller`, {
    hint: `give its name or id, or what the controller's ${kind}(name) returns`,
  })
}
