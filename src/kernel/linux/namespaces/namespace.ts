/**
 * Network namespaces: made, opened and entered (here), opened together with their sockets (netns-handle), made in
 * advance (netns-pool).
 */

import { lstatSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { CnmError, isKernelError } from '../../../base/errors.ts'
import type { NamespaceRef } from '../../resource.ts'
import {
  close,
  fstatfs,
  mkdir,
  NSFS_MAGIC,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_RDONLY,
  open,
  unlink,
} from '../ffi/file.ts'
import { MNT_DETACH, MS_BIND, mount, umount2 } from '../ffi/mount.ts'
import {
  CLONE_NEWNET,
  namespaceType,
  pidfdOpen,
  setns,
  setnsBack,
  unshare,
} from '../ffi/namespace.ts'

/** What may run inside a namespace: nothing that goes on later, when the thread is back. */
type Synchronous<T> = T extends PromiseLike<unknown> ? never : T

export const OWN_NAMESPACE = '/proc/thread-self/ns/net'

/**
 * The namespaces as the calling thread sees them; made on the thread that will use it. The thread's
 * home is the network namespace that plays the host: it is there whenever it isn't inside `enter` or
 * `make`, the only two ways out.
 */
export class Namespaces {
  readonly #home: number

  /** Moves the calling thread to the namespace at `host` first, for good, if one is given. */
  constructor(host?: string) {
    if (host !== undefined) moveTo(host)
    // Not the path's own descriptor: that would keep the mount there busy.
    this.#home = open(OWN_NAMESPACE, O_RDONLY)
  }

  close(): void {
    close(this.#home)
  }

  /** Runs `work` inside a namespace, given by a descriptor of its own or by a pidfd. */
  enter<T>(fd: number, work: () => Synchronous<T>): Synchronous<T> {
    setns(fd, CLONE_NEWNET)
    try {
      return work()
    } finally {
      this.#comeBack()
    }
  }

  /** Makes a namespace and runs `prepare` in it. Equivalent to: `unshare --net`. */
  make<T>(prepare: () => Synchronous<T>): Synchronous<T> {
    try {
      unshare(CLONE_NEWNET)
    } catch (error) {
      throw isKernelError(error, 'EPERM') ? notAllowed('CAP_SYS_ADMIN', error) : error
    }
    try {
      return prepare()
    } finally {
      this.#comeBack()
    }
  }

  #comeBack(): void {
    try {
      setnsBack(this.#home, CLONE_NEWNET)
    } catch (error) {
      // Whatever this thread does from here on would be done to the wrong network.
      writeSync(2, `libcnm: the kernel thread can't leave a network namespace: ${error}\n`)
      process.kill(process.pid, 'SIGABRT')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    }
  }
}

function moveTo(path: string): void {
  const fd = openNamespace({ path })
  try {
    setns(fd, CLONE_NEWNET)
  } finally {
    close(fd)
  }
}

/**
 * Opens a namespace by its path. Errors: NAMESPACE_NOT_FOUND, MISSING_CAPABILITY. Whether it is the
 * one that `cookie` names can only be seen from inside: see `checkCookie`.
 */
export function openNamespace(ref: NamespaceRef): number {
  const fd = openPath(ref.path)
  try {
    if (fstatfs(fd) === NSFS_MAGIC && namespaceType(fd) === CLONE_NEWNET) return fd
  } catch (error) {
    close(fd)
    throw error
  }
  close(fd)
  throw new CnmError('NAMESPACE_NOT_FOUND', `${ref.path} is not a network namespace`, {
    details: { path: ref.path },
    hint: 'a network namespace is /proc/PID/ns/net, or what `ip netns add` mounts',
  })
}

/** Errors: NAMESPACE_NOT_FOUND if the path has come to mean another namespace than it did. */
export function checkCookie(ref: NamespaceRef, cookie: string): void {
  if (ref.cookie === undefined || ref.cookie === cookie) return
  throw new CnmError('NAMESPACE_NOT_FOUND', `${ref.path} is another network namespace by now`, {
    details: { path: ref.path, cookie: ref.cookie, found: cookie },
  })
}

/** A pidfd: as long as it is open, it means this process and no later one. NAMESPACE_NOT_FOUND. */
export function openProcess(pid: number): number {
  try {
    return pidfdOpen(pid)
  } catch (error) {
    throw isAbsence(error) ? noProcess(pid, error) : error
  }
}

/** Also of one that has ended and not been waited for: it has no namespaces any more. */
export function noProcess(pid: number, cause: unknown): CnmError {
  return new CnmError('NAMESPACE_NOT_FOUND', `there is no process ${pid}`, {
    details: { pid },
    cause,
  })
}

/** Makes the empty file a namespace is mounted on, and its folder; false if it was there already. */
export function makeMountPoint(path: string): boolean {
  try {
    close(open(path, O_CREAT | O_EXCL, 0o444))
    return true
  } catch (error) {
    if (isKernelError(error, 'EEXIST')) return false
    if (!isKernelError(error, 'ENOENT')) throw error
    makeFolder(dirname(path))
    close(open(path, O_CREAT | O_EXCL, 0o444))
    return true
  }
}

/** Not by Node's recursive `mkdir`, which never ends below /proc. */
function makeFolder(path: string): void {
  try {
    mkdir(path, 0o755)
  } catch (error) {
    if (isKernelError(error, 'EEXIST')) return
    if (!isKernelError(error, 'ENOENT') || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdir(path, 0o755)
  }
}

/** Whatever else is at its path by now isn't ours, and stays. */
export function removeMountPoint(path: string): void {
  try {
    unlink(path)
  } catch (error) {
    if (!othersDoing.some((errno) => isKernelError(error, errno))) throw error
  }
}

// It is gone, has become a folder, has something else mounted on it, or is made unchangeable.
const othersDoing = ['ENOENT', 'EISDIR', 'ENOTDIR', 'EBUSY', 'EPERM']

/**
 * Takes a namespace off its path and answers with a descriptor, which is all that keeps it alive
 * (besides processes and sockets in it); undefined if there was none. Equivalent to: `ip netns del`.
 */
export function unmountNamespace(path: string): number | undefined {
  const fd = openIfThere(path)
  if (fd === undefined) {
    removeMountPoint(path)
    return undefined
  }
  try {
    umount2(path, MNT_DETACH)
    try {
      removeMountPoint(path)
    } catch (error) {
      // It stays where it was, with its path.
      mountNamespace(path, fd)
      throw error
    }
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** Gives a namespace a path, that of an existing file. Equivalent to: `ip netns attach`. */
export function mountNamespace(path: string, fd: number): void {
  mount(`/proc/thread-self/fd/${fd}`, path, null, MS_BIND)
}

/** Puts back what unmountNamespace took. */
export function remountNamespace(path: string, fd: number): void {
  makeMountPoint(path)
  mountNamespace(path, fd)
  close(fd)
}

function openIfThere(path: string): number | undefined {
  try {
    return openNamespace({ path })
  } catch (error) {
    if (error instanceof CnmError && error.code === 'NAMESPACE_NOT_FOUND') return undefined
    throw error
  }
}

function openPath(path: string): number {
  try {
    // A path given by a user may be a FIFO or a device: opening it must not wait for anything.
    return open(path, O_RDONLY | O_NONBLOCK)
  } catch (error) {
    const isRefused = isKernelError(error, 'EACCES') || isKernelError(error, 'EPERM')
    // The kernel also refuses the namespace of a process that ends just now.
    if (isRefused && isThere(path)) throw notAllowed('CAP_SYS_PTRACE', error)
    if (!isRefused && !isAbsence(error)) throw error
    throw new CnmError('NAMESPACE_NOT_FOUND', `there is no network namespace at ${path}`, {
      details: { path },
      cause: error,
    })
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

/** Too few descriptors, say, are no reason to believe that something is gone. */
function isAbsence(error: unknown): boolean {
  return absences.some((errno) => isKernelError(error, errno))
}

const absences = ['ENOENT', 'ENOTDIR', 'ENXIO', 'ELOOP', 'ESRCH', 'EINVAL', 'ENAMETOOLONG']

function notAllowed(capability: string, cause: unknown): CnmError {
  return new CnmError('MISSING_CAPABILITY', `the kernel refuses to open a network namespace`, {
    details: { capability },
    hint: `run as root, or with ${capability}`,
    cause,
  })
}

/** What tells a namespace from every other one that exists at the same time. */
export function identityOf({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`
}
