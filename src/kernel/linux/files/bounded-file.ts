import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

/** No file that this library reads as a whole is larger: what is, others have made so. */
export const MOST_BYTES = 1 << 20

/**
 * The one way to read what others may have put at a path: a sandbox, a container, a program that writes a file of
 * the host. It never waits, whatever is there, and takes no more memory than `most` bytes. The descriptor
 * is looked at, not the path: that may be another file a moment later.
 *
 * undefined: there is nothing, it is no ordinary file, there is more in it, or it can't be opened just now.
 * `follow`: symbolic links lead on.
 */
export function readBounded(
  path: string,
  { most = MOST_BYTES, follow = false }: { readonly most?: number; readonly follow?: boolean } = {},
): Buffer | undefined {
  const fd = openToRead(path, follow)
  if (fd === undefined) return undefined
  try {
    return readWithin(fd, most)
  } finally {
    closeSync(fd)
  }
}

/** An engine without all capabilities may not open what a sandbox has made unreadable. */
function openToRead(path: string, follow: boolean): number | undefined {
  try {
    return openOrdinary(path, O_RDONLY, follow)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}

/** A descriptor of an ordinary file; undefined: there is none that can be opened like that now. */
export function openOrdinary(path: string, flags: number, follow = false): number | undefined {
  let fd: number
  try {
    // Node adds O_CLOEXEC. Without O_NONBLOCK a pipe waits, and so does a file with a lease on it.
    fd = openSync(path, flags | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW))
  } catch (error) {
    if (absences.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  if (isOrdinary(fd)) return fd
  closeSync(fd)
  return undefined
}

// A symbolic link, a folder, a socket, a device without a driver, a path through a file; another process's lease.
const absences = ['ENOENT', 'ELOOP', 'EISDIR', 'ENXIO', 'ENODEV', 'ENOTDIR', 'EAGAIN']

function isOrdinary(fd: number): boolean {
  try {
    return fstatSync(fd).isFile()
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** What is in it from its beginning; undefined: more than that. It may grow while it is read. */
export function readWithin(fd: number, most = MOST_BYTES): Buffer | undefined {
  // What the kernel makes up as it is read, as in /proc, has size 0.
  const { size } = fstatSync(fd)
  if (size > most) return undefined
  let buffer = Buffer.allocUnsafe(Math.min(most, Math.max(size, 4096)) + 1)
  let length = 0
  for (;;) {
    const got = readSync(fd, buffer, length, buffer.length - length, length)
    length += got
    if (got === 0) return buffer.subarray(0, length)
    if (length > most) return undefined
    if (length < buffer.length) continue
    const larger = Buffer.allocUnsafe(Math.min(most + 1, buffer.length * 2))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }
}
