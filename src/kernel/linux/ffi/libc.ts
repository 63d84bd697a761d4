import koffi from 'koffi'
import { KernelError } from '../../../base/errors.ts'
import { errnoName } from './errno.ts'

// The C library this process runs on already: right for glibc and musl.
const libc = koffi.load(null)

/** With CNM_TRACE=calls: how often each function has been called by this thread, by name. */
const calls = (process.env.CNM_TRACE ?? '').split(',').includes('calls')
  ? new Map<string, number>()
  : undefined

/**
 * A C function by its prototype. Variadic functions (open, ioctl, syscall) are declared with the
 * arguments they are called with: on x64 and arm64 that is the same call, and cheaper.
 */
export function declare<F extends (...args: never[]) => number>(prototype: string): F {
  const call = libc.func(prototype) as unknown as F
  return calls === undefined ? call : counted(call, /(\w+)\(/.exec(prototype)![1]!, calls)
}

function counted<F extends (...args: never[]) => number>(
  call: F,
  name: string,
  counts: Map<string, number>,
): F {
  const counting = (...args: never[]) => {
    counts.set(name, (counts.get(name) ?? 0) + 1)
    return call(...args)
  }
  return counting as F
}

/** None without CNM_TRACE=calls. */
export function foreignCalls(): Readonly<Record<string, number>> {
  return Object.fromEntries(calls ?? [])
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
