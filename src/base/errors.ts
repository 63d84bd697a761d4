/**
 * Every error a user can meet. `code` says what happened, `kind` what sort of thing that is;
 * the HTTP status and the exit code follow from the kind.
 */

export type ErrorKind =
  | 'invalid'
  | 'not-found'
  | 'conflict'
  | 'forbidden'
  | 'unavailable'
  | 'not-implemented'
  | 'cancelled'
  | 'internal'

/** The code table. docs/reference/errors.md lists each one; a test checks both directions. */
export const errorCodes = {
  INVALID_ARGUMENT: 'invalid',
  INVALID_ADDRESS: 'invalid',
  INVALID_NAME: 'invalid',
  INVALID_OPTION: 'invalid',
  INVALID_POOL: 'invalid',
  INVALID_PORT: 'invalid',
  AMBIGUOUS_NAME: 'invalid',
  COMMAND_NOT_EXECUTABLE: 'invalid',
  UNKNOWN_DRIVER: 'not-found',
  UNKNOWN_IPAM: 'not-found',
  NETWORK_NOT_FOUND: 'not-found',
  ENDPOINT_NOT_FOUND: 'not-found',
  SANDBOX_NOT_FOUND: 'not-found',
  NAMESPACE_NOT_FOUND: 'not-found',
  COMMAND_NOT_FOUND: 'not-found',
  PLUGIN_NOT_FOUND: 'not-found',
  ROUTE_NOT_FOUND: 'not-found',
  NETWORK_EXISTS: 'conflict',
  ENDPOINT_EXISTS: 'conflict',
  SANDBOX_EXISTS: 'conflict',
  NETWORK_IN_USE: 'conflict',
  ENDPOINT_IN_USE: 'conflict',
  ENDPOINT_NOT_JOINED: 'conflict',
  ALREADY_CONNECTED: 'conflict',
  POOL_OVERLAP: 'conflict',
  ADDRESS_IN_USE: 'conflict',
  ADDRESSES_EXHAUSTED: 'conflict',
  LINK_EXISTS: 'conflict',
  PORT_IN_USE: 'conflict',
  PORTS_EXHAUSTED: 'conflict',
  ENGINE_RUNNING: 'conflict',
  NEWER_VERSION: 'conflict',
  STORE_CONFLICT: 'conflict',
  NOT_ALLOWED: 'forbidden',
  MISSING_CAPABILITY: 'forbidden',
  HOST_NAMESPACE: 'forbidden',
  UNSUPPORTED_KERNEL: 'not-implemented',
  CLOSED: 'unavailable',
  DAEMON_UNREACHABLE: 'unavailable',
  EVENTS_LOST: 'unavailable',
  PLUGIN_UNAVAILABLE: 'unavailable',
  TOO_MANY_REQUESTS: 'unavailable',
  STORE_UNAVAILABLE: 'unavailable',
  CANCELLED: 'cancelled',
  KERNEL: 'internal',
  PLUGIN_FAILED: 'internal',
  INTERNAL: 'internal',
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorCodes

interface CnmErrorOptions {
  /** Machine-readable facts: names, ids, addresses. */
  readonly details?: Readonly<Record<string, unknown>>
  /** The way out, as one sentence. */
  readonly hint?: string
  readonly cause?: unknown
}

export class CnmError extends Error {
  override readonly name = 'CnmError'
  readonly code: ErrorCode
  readonly kind: ErrorKind
  readonly details: Readonly<Record<string, unknown>>
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: CnmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.kind = errorCodes[code]
    this.details = options.details ?? {}
    this.hint = options.hint
  }

  toJSON(): object {
    const { code, kind, message, details, hint } = this
    return { code, kind, message, details, ...(hint === undefined ? {} : { hint }) }
  }
}

/** Matches by name and code, so it survives two copies of the package and a trip over a socket. */
export function isCnmError(error: unknown, code?: ErrorCode): error is CnmError {
  return (
    error instanceof Error &&
    error.name === 'CnmError' &&
    (code === undefined || (error as CnmError).code === code)
  )
}

/** What the kernel refused. Thrown by the door only; the model turns it into a CnmError. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  /** The kernel's verb: `RTM_NEWLINK`, `unshare`, `NFT_MSG_NEWSETELEM` … */
  readonly operation: string
  /** `EEXIST`, `EPERM` … */
  readonly errno: string
  /** The object it was about: a link's name, a path, `set element masquerade4 { … }`. */
  readonly target: string | undefined
  /** The key of the resource that failed, where it was one. */
  readonly resource: string | undefined
  /** The kernel's own words (extended ack), where it had some. */
  readonly detail: string | undefined

  constructor(
    operation: string,
    errno: string,
    options: { message?: string; target?: string; resource?: string } = {},
  ) {
    const about = options.target === undefined ? '' : ` ${options.target}`
    const text = options.message === undefined ? '' : `: ${options.message}`
    super(`${operation}${about}: ${errno}${text}`)
    this.operation = operation
    this.errno = errno
    this.target = options.target
    this.resource = options.resource
    this.detail = options.message
  }
}

export function isKernelError(error: unknown, errno?: string): error is KernelError {
  return (
    error instanceof Error &&
    error.name === 'KernelError' &&
    (errno === undefined || (error as KernelError).errno === errno)
  )
}

/** Throws CANCELLED if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw cancelled(what, signal)
}

export function cancelled(what: string, signal?: AbortSignal): CnmError {
  return new CnmError('CANCELLED', `${what} was cancelled`, { cause: signal?.reason })
}
