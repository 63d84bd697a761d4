import { CnmError, isKernelError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import { MS_BIND, MS_REC, MS_SLAVE, mount } from '../ffi/mount.ts'
import type { MountPlace } from './mount-place.ts'
import { fileAt, PathWatch, realPath } from './path-watch.ts'

export type Mounts = NonNullable<Command['mounts']>

/**
 * Files that running programs see in place of others. When the host puts another file at such a place, as
 * programs that write its resolv.conf do, the kernel takes the mount on it away, in all mount namespaces. So
 * it is made again, for as long as the program runs.
 */
export class CoveredFiles {
  readonly #running = new Map<number, { readonly place: MountPlace; readonly mounts: Mounts }>()
  readonly #watch = new PathWatch(() => this.#coverAgain())
  readonly #comeBack: (work: () => void) => void
  readonly #onProblem: (message: string) => void
  readonly #told = new Set<string>()

  /**
   * `comeBack` does some work in other mount namespaces and brings the thread back. `onProblem`: what
   * couldn't be mounted again, once for each cause.
   */
  constructor(comeBack: (work: () => void) => void, onProblem: (message: string) => void) {
    this.#comeBack = comeBack
    this.#onProblem = onProblem
  }

  /** To be called in the host's mount namespace, before anything is covered: no change is missed then. */
  watch(mounts: Mounts): void {
    this.#watch.start(mounts.map(({ target }) => target))
  }

  /** The place is this one's from now on. */
  add(program: number, place: MountPlace, mounts: Mounts): void {
    this.#running.set(program, { place, mounts })
  }

  /** The program has ended, or has never begun. What it has left running isn't looked after. */
  remove(program: number): void {
    this.#running.get(program)?.place.close()
    this.#running.delete(program)
    if (this.#running.size > 0) return
    this.#watch.stop()
    this.#told.clear()
  }

  close(): void {
    for (const program of this.#running.keys()) this.remove(program)
  }

  #coverAgain(): void {
    if (this.#running.size === 0) return
    this.#attempt(() => this.#comeBack(() => this.#coverAll()))
  }

  #coverAll(): void {
    for (const { place, mounts } of this.#running.values()) {
      this.#attempt(() => {
        place.enter()
        for (const each of mounts) this.#attempt(() => coverIfNeeded(each), each.target)
      })
    }
  }

  /** The program goes on without it. It is tried again when the host's file changes next. */
  #attempt(work: () => void, target = 'files'): void {
    try {
      work()
    } catch (error) {
      const cause = (error as Error).message
      const message = `a running program sees the host's ${target} in place of its own: ${cause}`
      if (this.#told.has(message)) return
      this.#told.add(message)
      this.#onProblem(message)
    }
  }
}

/** In a mount namespace that is new: nothing of it is seen outside. */
export function coverFiles(mounts: Mounts): void {
  // What is mounted on the host goes on to be seen inside, and nothing of this outside. The copies of
  // other sandboxes' mounts keep nothing: they go when the file they are on is unlinked.
  mount('none', '/', null, MS_REC | MS_SLAVE)
  for (const { source, target } of mounts) {
    const real = realPath(target)
    if (real !== undefined) cover(source, real)
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

function coverIfNeeded({ source, target }: Mounts[number]): void {
  const [real, own] = [realPath(target), fileAt(source)]
  // A sandbox may be gone before its program.
  if (real !== undefined && own !== undefined && fileAt(real) !== own) cover(source, real)
}
