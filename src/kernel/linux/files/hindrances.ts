import { isKernelError, type KernelError } from '../../../base/errors.ts'
import { asKernelError } from '../thread/wire-error.ts'
import type { OwnMount } from './own-mount.ts'

/**
 * Why a sandbox's file can't be written or removed: root in a sandbox can bring all of this about,
 * for its own file, and by filling the file system for those of others.
 */
const errnos: ReadonlySet<string> = new Set([
  'EACCES',
  'EBUSY',
  'EDQUOT',
  'EEXIST',
  'EFBIG',
  'EISDIR',
  'ELOOP',
  'ENOENT',
  'ENOSPC',
  'ENOTDIR',
  'ENXIO',
  'EPERM',
  'EROFS',
  'ETXTBSY',
])

/** undefined: it is something else, which is a reason to give up. */
function asHindrance(thrown: unknown): KernelError | undefined {
  const error = asKernelError(thrown)
  return isKernelError(error) && errnos.has(error.errno) ? error : undefined
}

/** What couldn't be done to sandboxes' files: they go on without, and it is told. */
export class Hindrances {
  #problems: string[] = []
  readonly #mount: OwnMount | undefined

  /** `mount`: where the files are, if that is a file system of ours. */
  constructor(mount?: OwnMount) {
    this.#mount = mount
  }

  /** Does it, or notes in a sentence why it can't be done. Throws what no sandbox can bring about. */
  attempt(path: string, verb: 'written' | 'removed', work: () => void): void {
    try {
      work()
    } catch (thrown) {
      const error = asHindrance(thrown)
      if (error === undefined) throw thrown
      const relief = this.#mount?.relieve(path, error.errno)
      if (relief === undefined) this.#tell(path, verb, error)
      else {
        this.#problems.push(relief)
        this.#tryAgain(path, verb, work)
      }
    }
  }

  #tryAgain(path: string, verb: string, work: () => void): void {
    try {
      work()
    } catch (thrown) {
      const error = asHindrance(thrown)
      if (error === undefined) throw thrown
      this.#tell(path, verb, error)
    }
  }

  #tell(path: string, verb: string, { message }: KernelError): void {
    this.#problems.push(`${path} can't be ${verb}: ${message}`)
  }

  /** Those that haven't been taken yet. */
  take(): readonly string[] {
    const problems = this.#problems
    this.#problems = []
    return problems
  }
}
