import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { KernelError } from '../../base/errors.ts'
import { faultPoint } from './ffi/fault.ts'

/**
 * Small files of ours, in the texts of `fileText`. No symbolic link at a path is followed, and whatever
 * isn't an ordinary file isn't ours: it counts as absent where it is read, and stays.
 */

const FILE_MODE = 0o644
const FOLDER_MODE = 0o755
const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants

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

/** undefined: there is none. */
export function readText(path: string): string | undefined {
  return withFile(path, O_RDONLY, (fd) => textIn(fd))
}

/** Makes it, at once as a whole, where nothing is. Its folder is there. */
export function createText(path: string, text: string): void {
  faultPoint('rename', path)
  const draft = draftOf(path)
  named(path, () => {
    writeNew(draft, text)
    renameSync(draft, path)
  })
}

/** Makes it in a folder that has just been made, where nobody looks for it before it is whole. */
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
  return withFile(path, O_RDWR, (fd) => {
    const before = textIn(fd)
    const after = wanted(before)
    if (after === undefined) return undefined
    faultPoint('write', path)
    try {
      writeOver(fd, before, after)
    } catch (error) {
      writeOver(fd, '', before)
      throw error
    }
    return before
  })
}

/** One that is gone is fine, as is one that isn't ours. Answers with what was in it. */
export function removeText(path: string): string | undefined {
  const text = readText(path)
  if (text === undefined) return undefined
  faultPoint('unlink', path)
  named(path, () => {
    removeDraft(path)
    unlinkSync(path)
  })
  return text
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

const inUse = ['ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOENT']

/** What a crash may have left of making that file; the next one to be made takes its place. */
function draftOf(path: string): string {
  return `${path}.new`
}

function writeNew(path: string, text: string): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, FILE_MODE)
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

function textIn(fd: number): string {
  return readFileSync(fd, 'latin1')
}

/** As little as makes the one of the other, so that whoever reads meanwhile hardly sees it half done. */
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

// A symbolic link, a folder, a socket, a path through a file.
const notOurs = ['ENOENT', 'ELOOP', 'EISDIR', 'ENXIO', 'ENOTDIR']

function withFile<T>(path: string, flags: number, work: (fd: number) => T): T | undefined {
  let fd: number
  try {
    // Whatever else is there must not make us wait.
    fd = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (notOurs.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  try {
    return named(path, () => (fstatSync(fd).isFile() ? work(fd) : undefined))
  } finally {
    closeSync(fd)
  }
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
