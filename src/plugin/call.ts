import { CnmError, type ErrorCode } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import { type Static, type TSchema, Type } from '../base/schema.ts'

/** One call of the protocol: `POST /Interface.Method`, an object as JSON each way. */
export interface PluginCall<
  Request extends TSchema | undefined = TSchema | undefined,
  Answer extends TSchema | undefined = TSchema | undefined,
> {
  /** Absent: the body is empty. */
  readonly request?: Request
  /** Absent: nothing but success. */
  readonly answer?: Answer
  /** A plugin need not have it; then it answers 404. */
  readonly optional?: true
}

export type PluginCalls = Readonly<Record<string, PluginCall>>

export type RequestOf<C> = C extends { readonly request: infer S extends TSchema }
  ? Readonly<Static<S>>
  : undefined
export type PluginAnswerOf<C> = C extends { readonly answer: infer S extends TSchema }
  ? Readonly<Static<S>>
  : undefined

/** `POST /Plugin.Activate`: what a plugin is asked first. */
export const activateCall = {
  answer: Type.Object({ Implements: Type.Array(Type.String()) }),
} as const satisfies PluginCall

/** What answers are sent as. Answers of v1 and v1.2 look the same, and are taken. */
export const pluginContentType = 'application/vnd.docker.plugins.v1.1+json'

/**
 * A message as its schema says. What is null counts as absent, as it does in Go, in which most plugins and
 * their hosts are written; a message that is null itself is an empty one. Unknown keys are let be. Errors: `code`, with
 * the path in the JSON.
 */
export function parseMessage<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  what: string,
  code: ErrorCode = 'INVALID_ARGUMENT',
): Static<Schema> {
  return parser(schema, what, code)(withoutNulls(value ?? {}, what, code))
}

/** A message of the protocol is flat; what is deeper is an attack on the stack. */
const deepest = 32

function withoutNulls(value: unknown, what: string, code: ErrorCode, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > deepest) throw new CnmError(code, `${what}: is nested too deeply`)
  const inside = (each: unknown) => withoutNulls(each, what, code, depth + 1)
  if (Array.isArray(value)) return value.map(inside)
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .map(([key, each]) => [key, inside(each)]),
  )
}
