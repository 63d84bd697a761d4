import { constants } from 'node:fs'
import { close, O_RDONLY, open } from './ffi/file.ts'
import { CLONE_NEWNS, setnsBack } from './ffi/namespace.ts'
import { chroot, fchdir } from './ffi/process.ts'

const { O_DIRECTORY } = constants

/** The mount namespace and the root that the calling thread has when this is made. */
export class MountPlace {
  readonly #namespace = open('/proc/thread-self/ns/mnt', O_RDONLY)
  readonly #root = open('/', O_RDONLY | O_DIRECTORY)

  /** The calling thread has a root of its own (CLONE_FS). Its working folder is that root then. */
  enter(): void {
    setnsBack(this.#namespace, CLONE_NEWNS)
    // That was to the root of all mounts, and this process may be below.
    fchdir(this.#root)
    chroot('.')
  }

  close(): void {
    close(this.#namespace)
    close(this.#root)
  }
}

/** The same with the working folder: to come back to. */
export class MountHome {
  readonly #place = new MountPlace()
  readonly #folder = open('.', O_RDONLY | O_DIRECTORY)

  enter(): void {
    this.#place.enter()
    fchdir(this.#folder)
  }

  close(): void {
    this.#place.close()
    close(this.#folder)
  }
}
