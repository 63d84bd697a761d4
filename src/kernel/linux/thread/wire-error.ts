import {
  CnmError,
  type ErrorCode,
  isCnmError,
  isKernelError,
  KernelError,
} from '../../../base/errors.ts'

/** An error as plain data: posting it to another thread would lose its class and its fields. */
export type WireError =
  | {
      readonly type: 'cnm'
      readonly code: ErrorCode
      readonly message: string
      readonly details: Readonly<Record<string, unknown>>
      readonly hint: string | undefined
    }
  | {
      readonly type: 'kernel'
      readonly operation: string
      readonly errno: string
      readonly detail: string | undefined
      readonly target: string | undefined
      readonly resource: string | undefined
    }
  | { readonly type: 'other'; readonly message: string; readonly stack: string | undefined }

export function toWire(thrown: unknown): WireError {
  const error = asKernelError(thrown)
  if (isCnmError(error)) {
    const { code, message, details, hint } = error
    return { type: 'cnm', code, message, details, hint }
  }
  if (isKernelError(error)) {
    const { operation, errno, detail, target, resource } = error
    return { type: 'kernel', operation, errno, detail, target, resource }
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return { type: 'other', message, stack }
}

export function fromWire(wire: WireError): Error {
  switch (wire.type) {
    case 'cnm':
      return new CnmError(wire.code, wire.message, {
        details: wire.details,
        ...(wire.hint === undefined ? {} : { hint: wire.hint }),
      })
    case 'kernel':
      return kernelError(wire)
    case 'other': {
      const error = new Error(wire.message)
      if (wire.stack !== undefined) error.stack = wire.stack
      return error
    }
  }
}

/** The same error, with the key of the resource it was about. */
export function about(thrown: unknown, resource: string): unknown {
  const error = asKernelError(thrown)
  if (isKernelError(error) && error.resource === undefined) {
    return kernelError({ ...error, resource })
  }
  if (isCnmError(error) && error.details.resource === undefined) {
    const { code, message, details, hint, cause } = error
    return new CnmError(code, message, {
      details: { ...details, resource },
      cause,
      ...(hint === undefined ? {} : { hint }),
    })
  }
  return error
}

/** What Node says of a system call it made, in our own words. */
export function asKernelError(error: unknown): unknown {
  const { code, syscall, path, message = '' } = error as Partial<NodeJS.ErrnoException>
  if (isCnmError(error) || code === undefined || syscall === undefined) return error
  const detail = /^\w+: ([^,]+)/.exec(message)?.[1]
  return kernelError({ operation: syscall, errno: code, detail, target: path, resource: undefined })
}

function kernelError(parts: {
  readonly operation: string
  readonly errno: string
  readonly detail: string | undefined
  readonly target: string | undefined
  readonly resource: string | undefined
}): KernelError {
  const { operation, errno, detail, target, resource } = parts
  return new KernelError(operation, errno, {
    ...(detail === undefined ? {} : { message: detail }),
    ...(target === undefined ? {} : { target }),
    ...(resource === undefined ? {} : { resource }),
  })
}
