import { CnmError, type ErrorCode, type ErrorKind, errorCodes } from '../base/errors.ts'
import { Type } from '../base/schema.ts'

/** An error as it travels: the JSON of a CnmError, with the status of its kind. */
export const ProblemShape = Type.Object({
  code: Type.String(),
  kind: Type.String(),
  message: Type.String(),
  details: Type.Record(Type.String(), Type.Unknown()),
  hint: Type.Optional(Type.String()),
})

const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  cancelled: 499,
  internal: 500,
  'not-implemented': 501,
  unavailable: 503,
}

export function problemStatus(kind: ErrorKind): number {
  return statuses[kind]
}

/**
 * The error that was sent; undefined: it is none of ours. One with a code that this version doesn't know is
 * an INTERNAL with its words.
 */
export function errorFrom(body: unknown): CnmError | undefined {
  if (!isProblem(body)) return undefined
  const { code, message } = body
  const hint = typeof body.hint === 'string' ? { hint: body.hint } : {}
  const details = isObject(body.details) ? body.details : {}
  if (isCode(code)) return new CnmError(code, message, { details, ...hint })
  return new CnmError('INTERNAL', message, { details: { ...details, code }, ...hint })
}

interface Problem {
  readonly code: string
  readonly message: string
  readonly details?: unknown
  readonly hint?: unknown
}

function isProblem(body: unknown): body is Problem {
  return isObject(body) && typeof body.code === 'string' && typeof body.message === 'string'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code)
}
