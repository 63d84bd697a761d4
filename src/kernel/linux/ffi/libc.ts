import koffi from 'koffi'
import { KernelError } from '../../../base/errors.ts'
import { errnoName } from './errno.ts'

// The C library this process runs on already: right for glibc and musl.
const libc = koffi.load(null)

/**
 * A C function by its prototype. Variadic functions (open, ioctl, syscall) are declared with the
 * arguments they are called with: on x64 and arm64 that is the same call, and cheaper.
 */
export function declare<F extends (...args: never[]) => number>(prototype: string): F {
  return libc.func(prototype) as unknown as F
}

/** The errno of the call before, by name. */
export function lastErrno(): string {
  return errnoName(koffi.errno())
}

/** Answers with the result of a call, or throws what it set errno to. */
export function check(result: number, operation: string, target?: string): number {
  if (result >= 0) return result
  throw new KernelError(operation, lastErrno(), target === undefined ? {} : { target })
}
