import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { KernelError } from '../../../base/errors.ts'
import { faultPoint } from '../ffi/fault.ts'
import { clearFileFlags, close, O_RDONLY, open } from '../ffi/file.ts'
import { openOrdinary, readBounded, readWithin } from './bounded-file.ts'

/**
 * Small files of ours, in the texts of `fileText`. No symbolic link at a path is followed, and whatever
 * isn't an ordinary file isn't ours: it counts as absent where it is read, and stays. One that has become
 * large isn't ours to change any more, either, but goes like any other.
 */

const FILE_MODE = 0o644
const FOLDER_MODE = 0o755
const { O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants

/** Whatever it is. */
export function isSomethingAt(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    // A path through a file.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false
    throw error
  }
}

/** undefined: there is none that is ours. */
export function readText(path: string): string | undefined {
  return named(path, () => readBounded(path))?.toString('latin1')
}

/** Makes it, at once as a whole, where nothing is. Its folder is there. */
export function createText(path: string, text: string): void {
  faultPoint('rename', path)
  const draft = draftOf(path)
  named(path, () => {
    removeDraft(path)
    writeNew(draft, text)
    renameSync(draft, path)
  })
}

/** Makes it in a folder that has just been made, where no program looks for it before it is whole. */
export function createFirstText(path: string, text: string): void {
  faultPoint('open', path)
  named(path, () => writeNew(path, text))
}

/**
 * Changes it in place, as it may be mounted somewhere. Answers with what was in it before; undefined:
 * nothing is changed, as `change` wants nothing else, or nothing at all.
 */
export function rewriteText(
  path: string,
  change: (text: string) => string | undefined,
): string | undefined {
  const wanted = (text: string) => {
    const after = change(text)
    return after === text ? undefined : after
  }
  const text = readText(path)
  // Where nothing may be written, nothing has to be.
  if (text === undefined || wanted(text) === undefined) return undefined
  return named(path, () => {
    const fd = openOrdinary(path, O_RDWR)
    if (fd === undefined) throw busy(path)
    try {
      const before = readWithin(fd)?.toString('latin1')
      const after = before === undefined ? undefined : wanted(before)
      if (before === undefined || after === undefined) return undefined
      faultPoint('write', path)
      overwrite(fd, before, after)
      return before
    } finally {
      closeSync(fd)
    }
  })
}

/** One that was there and is gone. */
interface RemovedText {
  /** undefined: it had become another's, so what was in it isn't known. */
  readonly text: string | undefined
}

/** One that is gone is fine, as is what isn't an ordinary file: undefined. */
export function removeText(path: string): RemovedText | undefined {
  if (!isOrdinaryAt(path)) return undefined
  const text = readText(path)
  faultPoint('unlink', path)
  named(path, () => {
    removeDraft(path)
    unlink(path)
  })
  return { text }
}

/** Makes a folder and those above it. Answers with the new ones, the innermost last. */
export function makeFolders(path: string): readonly string[] {
  if (existsSync(path)) return []
  const above = makeFolders(dirname(path))
  try {
    faultPoint('mkdir', path)
    mkdirSync(path, FOLDER_MODE)
    chmodSync(path, FOLDER_MODE)
  } catch (error) {
    for (const each of [...above].reverse()) rmdirSync(each)
    throw error
  }
  return [...above, path]
}

/** Whether it was empty, and is gone. */
export function removeFolderIfEmpty(path: string): boolean {
  faultPoint('rmdir', path)
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (inUse.includes(code ?? '')) return false
    throw error
  }
}

const inUse = ['ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOENT', 'ENOTDIR']

/** What a crash may have left of making that file; the next one to be made takes its place. */
function draftOf(path: string): string {
  return `${path}.new`
}

function writeNew(path: string, text: string): void {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK
  const fd = openSync(path, flags, FILE_MODE)
  try {
    // Whatever this process's umask: programs of any user read it.
    fchmodSync(fd, FILE_MODE)
    writeAll(fd, Buffer.from(text, 'latin1'), 0)
  } catch (error) {
    unlinkSync(path)
    throw error
  } finally {
    closeSync(fd)
  }
}

function removeDraft(path: string): void {
  // Hardly ever: to be told so by an error takes longer.
  if (existsSync(draftOf(path))) unlinkSync(draftOf(path))
}

function isOrdinaryAt(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
  } catch (error) {
    // A path through a file.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false
    throw error
  }
}

/** Also one that a sandbox with the capability for it has made unchangeable. */
function unlink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    const fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      clearFileFlags(fd)
    } finally {
      close(fd)
    }
    unlinkSync(path)
  }
}

function overwrite(fd: number, before: string, after: string): void {
  try {
    writeOver(fd, before, after)
  } catch (error) {
    writeOver(fd, '', before)
    throw error
  }
}

/** As little as makes the one of the other, so that a program that reads meanwhile hardly sees it half done. */
function writeOver(fd: number, before: string, after: string): void {
  let same = 0
  while (same < before.length && before[same] === after[same]) same += 1
  writeAll(fd, Buffer.from(after.slice(same), 'latin1'), same)
  ftruncateSync(fd, after.length)
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
  }
}

function busy(path: string): KernelError {
  return new KernelError('open', 'EBUSY', {
    target: path,
    message: "it isn't to be written to just now",
  })
}

/** Calls on descriptors fail without saying which file it is about. */
function named<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === undefined || syscall === undefined) throw error
    throw new KernelError(syscall, code, { target: path })
  }
}
