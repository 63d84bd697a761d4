import { faultPoint } from './fault.ts'
import { check, declare } from './libc.ts'

export const O_PATH = 0o10000000

const O_CLOEXEC = 0o2000000
const AT_FDCWD = -100
// The same numbers on all architectures.
const SYS_open_tree = 428
const SYS_move_mount = 429
const SYS_openat2 = 437
const SYS_mount_setattr = 442
const OPEN_TREE_CLONE = 1
const MOVE_MOUNT_F_EMPTY_PATH = 0x4
const MOVE_MOUNT_T_EMPTY_PATH = 0x40
const AT_EMPTY_PATH = 0x1000
const MOUNT_ATTR_RDONLY = 1
const MS_PRIVATE = 0x40000
const RESOLVE_NO_MAGICLINKS = 0x2
const RESOLVE_IN_ROOT = 0x10

const c = {
  openTree: declare<(number: number, folder: number, path: string, flags: number) => number>(
    'intptr_t syscall(intptr_t, intptr_t, const char *, uintptr_t)',
  ),
  moveMount: declare<
    (
      number: number,
      from: number,
      fromPath: string,
      to: number,
      toPath: string,
      flags: number,
    ) => number
  >('intptr_t syscall(intptr_t, intptr_t, const char *, intptr_t, const char *, uintptr_t)'),
  mountSetattr: declare<
    (
      number: number,
      folder: number,
      path: string,
      flags: number,
      attributes: BigUint64Array,
      size: number,
    ) => number
  >('intptr_t syscall(intptr_t, intptr_t, const char *, uintptr_t, const void *, uintptr_t)'),
  openat2: declare<
    (number: number, folder: number, path: string, how: BigUint64Array, size: number) => number
  >('intptr_t syscall(intptr_t, intptr_t, const char *, const void *, uintptr_t)'),
}

/** A mount of what is at a path that isn't anywhere yet, and goes with its descriptor if it stays so. */
export function openTree(path: string): number {
  faultPoint('open_tree', path)
  const flags = OPEN_TREE_CLONE | O_CLOEXEC
  return check(c.openTree(SYS_open_tree, AT_FDCWD, path, flags), 'open_tree', path)
}

/**
 * Makes such a mount one of its own: what is mounted on it shows nowhere else, as it would where the path is
 * on a mount that others share. `target`: how errors call it.
 */
export function makePrivate(tree: number, isReadOnly: boolean, target: string): void {
  faultPoint('mount_setattr', target)
  const set = isReadOnly ? MOUNT_ATTR_RDONLY : 0
  const attributes = BigUint64Array.of(BigInt(set), 0n, BigInt(MS_PRIVATE), 0n)
  const size = attributes.byteLength
  const result = c.mountSetattr(SYS_mount_setattr, tree, '', AT_EMPTY_PATH, attributes, size)
  check(result, 'mount_setattr', target)
}

/** Puts such a mount on the file a descriptor is of. `target`: how errors call that. */
export function moveMount(tree: number, file: number, target: string): void {
  faultPoint('move_mount', target)
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
  check(c.moveMount(SYS_move_mount, tree, '', file, '', flags), 'move_mount', target)
}

/** Opens a path as if that folder were the root: neither `..` nor a link leads out of it. */
export function openBelow(folder: number, path: string, flags: number, mode = 0): number {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
  const how = BigUint64Array.of(BigInt(flags | O_CLOEXEC), BigInt(mode), BigInt(resolve))
  return check(c.openat2(SYS_openat2, folder, path, how, how.byteLength), 'openat2', path)
}
