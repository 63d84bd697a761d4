import { constants, mkdirSync, readlinkSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { CnmError, isKernelError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import { close, O_CREAT, O_RDONLY, open } from '../ffi/file.ts'
import { MNT_DETACH, umount2 } from '../ffi/mount.ts'
import { moveMount, O_PATH, openBelow, openTree } from '../ffi/mount-tree.ts'
import { CLONE_FS, CLONE_NEWNS, setns, unshare } from '../ffi/namespace.ts'
import { MountHome } from '../mount-place.ts'

const { O_DIRECTORY } = constants

type Mounts = NonNullable<Command['mounts']>

/** A mount that isn't anywhere yet, and the path it is for. */
interface Tree {
  readonly fd: number
  readonly target: string
}

/** A container that is being made: its mounts are there, and its root is still the host's. */
export interface NewContainer {
  readonly pid: number
  /** The folder that is to be its root. */
  readonly root: string
}

/**
 * Shows a container files in place of its own. A target that isn't there is made, as an empty file. Links in
 * the container's root lead nowhere outside. From then on the calling thread has a working folder of its own.
 * Equivalent to: `nsenter --mount=/proc/PID/ns/mnt mount --bind SOURCE ROOT/TARGET`.
 *
 * Errors: NAMESPACE_NOT_FOUND (it has ended), MISSING_CAPABILITY, INVALID_ARGUMENT (its root or a target
 * can't be used).
 */
export function mountInContainer(container: NewContainer, mounts: Mounts): void {
  // Opened where the sources are.
  const trees = mounts.map(({ source, target }) => ({ fd: openTree(source), target }))
  try {
    const namespace = openMounts(container.pid)
    try {
      inMounts(namespace, () => mountAll(container.root, trees))
    } finally {
      close(namespace)
    }
  } finally {
    for (const { fd } of trees) close(fd)
  }
}

function openMounts(pid: number): number {
  try {
    return open(`/proc/${pid}/ns/mnt`, O_RDONLY)
  } catch (error) {
    if (!isKernelError(error, 'ENOENT')) throw refused(error)
    throw new CnmError('NAMESPACE_NOT_FOUND', `there is no process ${pid}`, {
      details: { pid },
      cause: error,
    })
  }
}

function inMounts(namespace: number, work: () => void): void {
  const home = new MountHome()
  try {
    try {
      unshare(CLONE_FS)
      setns(namespace, CLONE_NEWNS)
    } catch (error) {
      throw refused(error)
    }
    try {
      work()
    } finally {
      home.enter()
    }
  } finally {
    home.close()
  }
}

function refused(error: unknown): unknown {
  if (!isKernelError(error, 'EPERM') && !isKernelError(error, 'EACCES')) return error
  return new CnmError('MISSING_CAPABILITY', 'the kernel refuses to enter the container', {
    details: { capability: 'CAP_SYS_ADMIN' },
    hint: 'run it as root, or leave the container its own files',
    cause: error,
  })
}

function mountAll(path: string, trees: readonly Tree[]): void {
  const root = usable(path, () => open(path, O_PATH | O_DIRECTORY))
  const mounted: Tree[] = []
  try {
    for (const tree of trees) {
      usable(tree.target, () => mountBelow(root, tree))
      mounted.unshift(tree)
    }
  } catch (error) {
    for (const { fd } of mounted) umount2(`/proc/thread-self/fd/${fd}`, MNT_DETACH)
    throw error
  } finally {
    close(root)
  }
}

function mountBelow(root: number, { fd, target }: Tree): void {
  const file = fileBelow(root, target)
  try {
    moveMount(fd, file, target)
  } finally {
    close(file)
  }
}

function usable<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const errno = isKernelError(error) ? error.errno : (error as NodeJS.ErrnoException).code
    throw new CnmError('INVALID_ARGUMENT', `the container's ${path} can't be used (${errno})`, {
      details: { path },
      hint: 'a container that can take no files in /etc is attached without them: cnm.mount-etc: "false"',
      cause: error,
    })
  }
}

/** Also one that a link means which leads to nothing, as resolv.conf often does. */
function fileBelow(root: number, path: string): number {
  try {
    return openBelow(root, path, O_PATH)
  } catch (error) {
    if (!isKernelError(error, 'ENOENT')) throw error
  }
  const place = linkedPlace(root, path)
  makeFolders(root, dirname(place))
  return openBelow(root, place, O_RDONLY | O_CREAT, 0o644)
}

function linkedPlace(root: number, path: string): string {
  const folder = dirname(path)
  try {
    const link = within(root, folder, (fd) => readlinkSync(`${fd}/${basename(path)}`))
    return link.startsWith('/') ? link : `${folder}/${link}`
  } catch {
    return path
  }
}

function makeFolders(root: number, path: string): void {
  let at = '.'
  for (const name of path.split('/')) {
    if (name === '') continue
    within(root, at, (fd) => makeFolder(`${fd}/${name}`))
    at += `/${name}`
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** `work` gets a path that means the folder, whatever becomes of its name. */
function within<T>(root: number, folder: string, work: (path: string) => T): T {
  const fd = openBelow(root, folder, O_PATH | O_DIRECTORY)
  try {
    return work(`/proc/thread-self/fd/${fd}`)
  } finally {
    close(fd)
  }
}
