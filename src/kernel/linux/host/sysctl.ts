import { readFileSync, writeFileSync } from 'node:fs'
import { KernelError } from '../../../base/errors.ts'
import { faultPoint } from '../ffi/fault.ts'

/**
 * Sysctls of the network namespace the calling thread is in: what is under /proc/sys/net is that of
 * the thread that looks, so everything here is synchronous.
 */

/** undefined: there is no such sysctl (any more). Equivalent to: `sysctl -n NAME`. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(pathOf(name), 'utf8').trimEnd()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw failed('read', name, error)
  }
}

/** Equivalent to: `sysctl -w NAME=VALUE`. */
export function writeSysctl(name: string, value: string): void {
  faultPoint('sysctl', name)
  try {
    // 'r+' and not 'w': a sysctl that isn't there must not be created, whatever is mounted there.
    writeFileSync(pathOf(name), value, { flag: 'r+' })
  } catch (error) {
    throw failed('write', name, error)
  }
}

function pathOf(name: string): string {
  if (name.startsWith('/') || name.split('/').includes('..')) {
    throw new KernelError('sysctl', 'EINVAL', {
      target: name,
      message: 'not a path below /proc/sys',
    })
  }
  return `/proc/sys/${name}`
}

function failed(verb: string, name: string, error: unknown): KernelError {
  const { code } = error as NodeJS.ErrnoException
  return new KernelError('sysctl', code ?? 'EIO', { target: name, message: `can't ${verb} it` })
}
