import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CnmError } from '../../base/errors.ts'

/** Errors: INVALID_ARGUMENT. */
export async function readFileOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

/** Where links lead now. Errors: INVALID_ARGUMENT. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function unreadable(path: string, cause: unknown): CnmError {
  const { code } = cause as NodeJS.ErrnoException
  return new CnmError('INVALID_ARGUMENT', `${path} can't be read (${code})`, {
    details: { path },
    hint: 'name the folder of a bundle; "runc spec" and "crun spec" make its config.json',
    cause,
  })
}

/**
 * There is always a whole file, the one before or the new one, of the same owner and rights. The owner of the
 * folder may have put a link there in the meantime: none is followed. Errors: INVALID_ARGUMENT.
 */
export function replaceFile(path: string, text: string): void {
  try {
    replace(path, text)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CnmError('INVALID_ARGUMENT', `${path} can't be written (${code})`, {
      details: { path },
      cause,
    })
  }
}

function replace(path: string, text: string): void {
  const { mode, uid, gid } = lstatSync(path)
  const other = join(dirname(path), `.${basename(path)}.${process.pid}`)
  try {
    const fd = openSync(other, 'wx', 0o600)
    try {
      writeFileSync(fd, text)
      // Not by name: that may be a link by now. The owner first, as rights can go with a change of it.
      fchownSync(fd, uid, gid)
      fchmodSync(fd, mode & 0o777)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(other, path)
  } catch (error) {
    rmSync(other, { force: true })
    throw error
  }
}
