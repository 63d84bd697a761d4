import { writeSync } from 'node:fs'
import { CnmError, isKernelError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import { close, O_RDONLY, open } from '../ffi/file.ts'
import { CLONE_FS, CLONE_NEWNS, CLONE_NEWUTS, setnsBack, unshare } from '../ffi/namespace.ts'
import { sethostname } from '../ffi/process.ts'
import { CoveredFiles, coverFiles, type Mounts } from './covered-files.ts'
import { MountHome, MountPlace } from './mount-place.ts'

/** What a program is to see of the machine in place of what there is. */
type View = Pick<Command, 'argv' | 'mounts' | 'hostname'>

/**
 * Starts programs with a view of the machine of their own: `start` runs while the calling thread is in
 * new mount and UTS namespaces, where what it starts is born. From the first one with mounts on, the
 * thread has its own root and working folder, so it hears of no `chdir` of the process any more.
 *
 * Errors: MISSING_CAPABILITY, INVALID_ARGUMENT (no such source, or one that can't take the target's
 * place; a hostname that is none).
 */
export class ProgramViews {
  readonly #covered: CoveredFiles
  #canMount = false

  /** `onProblem`: what a program that is running doesn't see any more. */
  constructor(onProblem: (message: string) => void) {
    this.#covered = new CoveredFiles(inOtherPlaces, onProblem)
  }

  /** `program` is its number, to be told to `end`, also if it comes to nothing after all. */
  start<T>(program: number, view: View, start: () => T): T {
    const { mounts = [], hostname } = view
    const named = hostname === undefined ? start : () => this.#withHostname(view, hostname, start)
    return mounts.length === 0 ? named() : this.#withMounts(program, view, mounts, named)
  }

  end(program: number): void {
    this.#covered.remove(program)
  }

  /** What is running goes on, and is not looked after any more. */
  close(): void {
    this.#covered.close()
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

  #withMounts<T>(program: number, { argv }: View, mounts: Mounts, start: () => T): T {
    const home = new MountHome()
    try {
      if (!this.#canMount) allowed('CAP_SYS_ADMIN and CAP_SYS_CHROOT', argv[0], () => probe(home))
      this.#canMount = true
      this.#covered.watch(mounts)
      allowed('CAP_SYS_ADMIN', argv[0], () => unshare(CLONE_NEWNS))
      try {
        allowed('CAP_SYS_ADMIN', argv[0], () => coverFiles(mounts))
        this.#covered.add(program, new MountPlace(), mounts)
        return start()
      } finally {
        comeBack(() => home.enter())
      }
    } catch (error) {
      this.end(program)
      throw error
    } finally {
      home.close()
    }
  }
}

/** Whether there is a way back, before anything is left: that takes more than the way out. */
function probe(home: MountHome): void {
  unshare(CLONE_FS)
  home.enter()
}

function inOtherPlaces(work: () => void): void {
  const home = new MountHome()
  try {
    work()
  } finally {
    comeBack(() => home.enter())
    home.close()
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
