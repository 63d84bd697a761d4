import { constants, fstatSync, mkdirSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { CnmError, isKernelError, KernelError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import { close, fstatfs, O_CREAT, O_NONBLOCK, O_RDONLY, open } from '../ffi/file.ts'
import { MNT_DETACH, umount2 } from '../ffi/mount.ts'
import { makePrivate, moveMount, O_PATH, openBelow, openTree } from '../ffi/mount-tree.ts'
import { CLONE_FS, CLONE_NEWNS, setns, unshare } from '../ffi/namespace.ts'
import { MountHome } from '../programs/mount-place.ts'

const { O_DIRECTORY } = constants
/** proc and sysfs: what a runtime says to the kernel of a container, it says by files there. */
const kernelFiles: readonly number[] = [0x9fa0, 0x62656572]

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
  /** Whether it can't write there: nor to what it is shown. */
  readonly isReadOnly: boolean
}

/**
 * Shows a container files in place of its own. A target that isn't there is made, as an empty file. Links in
 * the container's root lead nowhere outside, and what it mounts on them shows nowhere else. From then on the
 * calling thread has a working folder of its own.
 * Equivalent to: `nsenter --mount=/proc/PID/ns/mnt mount --bind SOURCE ROOT/TARGET`.
 *
 * Errors: NAMESPACE_NOT_FOUND (it has ended), MISSING_CAPABILITY, INVALID_ARGUMENT (its root or a target
 * can't be used, or its mounts are the caller's).
 */
export function mountInContainer(container: NewContainer, mounts: Mounts): void {
  const trees: Tree[] = []
  try {
    // Opened where the sources are.
    for (const { source, target } of mounts) {
      const fd = openTree(source)
      trees.push({ fd, target })
      makePrivate(fd, container.isReadOnly, target)
    }
    const namespace = openMounts(container.pid)
    try {
      refuseOwn(namespace)
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

/** They would stay when the container has ended. */
function refuseOwn(namespace: number): void {
  if (fstatSync(namespace).ino !== statSync('/proc/thread-self/ns/mnt').ino) return
  throw new CnmError('INVALID_ARGUMENT', "the container uses the host's own mounts", {
    hint: 'add { "type": "mount" } to linux.namespaces in config.json, or leave it its own files: cnm.mount-etc: "false"',
  })
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
    for (const { fd } of mounted) detach(fd)
    throw error
  } finally {
    close(root)
  }
}

/** What can't be undone goes with the container. */
function detach(tree: number): void {
  try {
    umount2(`/proc/thread-self/fd/${tree}`, MNT_DETACH)
  } catch {}
}

function mountBelow(root: number, { fd, target }: Tree): void {
  const file = fileBelow(root, target)
  try {
    if (kernelFiles.includes(fstatfs(file)))
      throw new KernelError('move_mount', 'EPERM', { target })
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
  // By now something that can't be opened may be there: nothing is waited for.
  return openBelow(root, place, O_RDONLY | O_CREAT | O_NONBLOCK, 0o644)
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
    mkdirSync(path, 0o755)
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
