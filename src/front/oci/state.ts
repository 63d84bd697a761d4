import { CnmError } from '../../base/errors.ts'
import { parser } from '../../base/parse.ts'
import { type Static, Type } from '../../base/schema.ts'

/** What a runtime tells its hooks of a container, on their standard input. */
const State = Type.Object({
  id: Type.String({ minLength: 1 }),
  status: Type.String(),
  /** 0 or absent: its process has ended. */
  pid: Type.Optional(Type.Integer()),
  bundle: Type.String({ minLength: 1 }),
  /** If it has any, they are here. */
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
})

export type OciState = Static<typeof State>

const parse = parser(State, "the container's state on standard input")

/** Errors: INVALID_ARGUMENT. */
export function parseState(text: string): OciState {
  try {
    return parse(JSON.parse(text))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new CnmError('INVALID_ARGUMENT', "there is no container's state on standard input", {
      hint: 'a runtime gives it to its hooks: "cnm oci-spec" makes this one of them',
      cause,
    })
  }
}

export function hasStopped({ status }: OciState): boolean {
  return status === 'stopped'
}

/** One that is made and doesn't run yet. */
export type NewContainer = OciState & { readonly pid: number }

/** Errors: INVALID_ARGUMENT. */
export function newContainer(state: OciState): NewContainer {
  const { id, status, pid = 0 } = state
  // runc says it is being created, crun that it is; in both its root is still the host's.
  if ((status === 'creating' || status === 'created') && pid > 0) return { ...state, pid }
  throw new CnmError('INVALID_ARGUMENT', `container ${id} is ${status}: it can't be attached now`, {
    hint: 'let the runtime call it as createRuntime and poststop',
  })
}
