import { constants, realpathSync, writeSync } from 'node:fs'
import { CnmError, isKernelError } from '../../base/errors.ts'
import type { Command } from '../kernel.ts'
import { close, O_RDONLY, open } from './ffi/file.ts'
import { MS_BIND, MS_REC, MS_SLAVE, mount } from './ffi/mount.ts'
import { CLONE_FS, CLONE_NEWNS, CLONE_NEWUTS, setnsBack, unshare } from './ffi/namespace.ts'
import { chroot, fchdir, sethostname } from './ffi/process.ts'

const { O_DIRECTORY } = constants

/** What a program is to see of the machine in place of what there is. */
export type View = Pick<Command, 'argv' | 'mounts' | 'hostname'>

/**
 * Starts programs with a view of the machine of their own: `start` runs while the calling thread is in
 * new mount and UTS namespaces, where what it starts is born. From the first one with mounts on, the
 * thread has its own root and working folder, so it hears of no `chdir` of the process any more.
 *
 * Errors: MISSING_CAPABILITY, INVALID_ARGUMENT (no such source, or one that can't take the target's
 * place; a hostname that is none).
 */
export class ProgramViews {
  #canMount = false

  start<T>(view: View, start: () => T): T {
    const { mounts = [], hostname } = view
    const named = hostname === undefined ? start : () => this.#withHostname(view, hostname, start)
    return mounts.length === 0 ? named() : this.#withMounts(view, mounts, named)
  }

  #withHostname<T>({ argv }: View, hostname: string, start: () => T): T {
    const home = open('/proc/thread-self/ns/uts', O_RDONLY)
    try {
      allowed('CAP_SYS_ADMIN', argv[0], () => unshare(CLONE_NEWUTS))
      try {
        setHostname(hostname)
        return start()
      } finally {
        comeBack(() => setnsBack(home, CLONE_NEWUTS))
      }
    } finally {
      close(home)
    }
  }

  #withMounts<T>({ argv }: View, mounts: NonNullable<View['mounts']>, start: () => T): T {
    const home = new MountHome()
    try {
      if (!this.#canMount) allowed('CAP_SYS_ADMIN and CAP_SYS_CHROOT', argv[0], () => home.probe())
      this.#canMount = true
      allowed('CAP_SYS_ADMIN', argv[0], () => unshare(CLONE_NEWNS))
      try {
        allowed('CAP_SYS_ADMIN', argv[0], () => prepare(mounts))
        return start()
      } finally {
        comeBack(() => home.enter())
      }
    } finally {
      home.close()
    }
  }
}

/** The calling thread's mount namespace, root and working folder. */
class MountHome {
  readonly #namespace = open('/proc/thread-self/ns/mnt', O_RDONLY)
  readonly #root = open('/', O_RDONLY | O_DIRECTORY)
  readonly #folder = open('.', O_RDONLY | O_DIRECTORY)

  /** Whether there is a way back, before anything is left: that takes more than the way out. */
  probe(): void {
    unshare(CLONE_FS)
    this.enter()
  }

  enter(): void {
    setnsBack(this.#namespace, CLONE_NEWNS)
    // That was to the root of all mounts, and this process may be below.
    fchdir(this.#root)
    chroot('.')
    fchdir(this.#folder)
  }

  close(): void {
    for (const fd of [this.#namespace, this.#root, this.#folder]) close(fd)
  }
}

function prepare(mounts: NonNullable<View['mounts']>): void {
  // What is mounted on the host goes on to be seen inside, and nothing of this outside. The copies of
  // other sandboxes' mounts keep nothing: they go when the file they are on is unlinked.
  mount('none', '/', null, MS_REC | MS_SLAVE)
  for (const { source, target } of mounts) {
    const real = realPath(target)
    if (real !== undefined) cover(source, real)
  }
}

/** By all symbolic links, as /etc/resolv.conf may be one; undefined: nothing is there. */
function realPath(target: string): string | undefined {
  try {
    return realpathSync(target)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return undefined
    }
    throw error
  }
}

function cover(source: string, target: string): void {
  try {
    mount(source, target, null, MS_BIND)
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].some((errno) => isKernelError(error, errno))) throw error
    throw new CnmError('INVALID_ARGUMENT', `${source} can't be seen in place of ${target}`, {
      details: { source, target },
      hint: 'both must be there, and both files or both folders',
      cause: error,
    })
  }
}

function setHostname(hostname: string): void {
  try {
    sethostname(hostname)
  } catch (error) {
    if (!isKernelError(error, 'EINVAL')) throw error
    throw new CnmError('INVALID_ARGUMENT', `"${hostname}" is too long for a hostname`, {
      details: { hostname },
      hint: 'a hostname has at most 64 characters',
      cause: error,
    })
  }
}

function allowed(capability: string, command: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isKernelError(error, 'EPERM') && !isKernelError(error, 'EACCES')) throw error
    const what = `the kernel refuses to give "${command}" files or a hostname of its own`
    throw new CnmError('MISSING_CAPABILITY', what, {
      details: { capability },
      hint: `run as root, or with ${capability}, or leave them out (--no-mount-etc)`,
      cause: error,
    })
  }
}

/** Whatever this thread did from here on would be done in the wrong place. */
function comeBack(work: () => void): void {
  try {
    work()
  } catch (error) {
    writeSync(2, `libcnm: the kernel thread can't leave a program's namespaces: ${error}\n`)
    process.kill(process.pid, 'SIGABRT')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}
