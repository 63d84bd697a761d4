import { constants } from 'node:fs'
import { close, O_RDONLY, open } from '../ffi/file.ts'
import { CLONE_NEWNS, setnsBack } from '../ffi/namespace.ts'
import { chroot, fchdir } from '../ffi/process.ts'

const { O_DIRECTORY } = constants

/** The mount namespace and the root that the calling thread has when this is made. */
export class MountPlace {
  readonly #namespace: number
  readonly #root: number

  constructor() {
    const namespace = open('/proc/thread-self/ns/mnt', O_RDONLY)
    this.#root = openFolder('/', () => close(namespace))
    this.#namespace = namespace
  }

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
  readonly #place: MountPlace
  readonly #folder: number

  constructor() {
    const place = new MountPlace()
    this.#folder = openFolder('.', () => place.close())
    this.#place = place
  }

  enter(): void {
    this.#place.enter()
    fchdir(this.#folder)
  }

  close(): void {
    this.#place.close()
    close(this.#folder)
  }
}

/** `undo`: if that can't be done. */
function openFolder(path: string, undo: () => void): number {
  try {
    return open(path, O_RDONLY | O_DIRECTORY)
  } catch (error) {
    undo()
    throw error
  }
}
