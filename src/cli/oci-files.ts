import {
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CnmError } from '../base/errors.ts'

/** Errors: INVALID_ARGUMENT. */
export async function readFileOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CnmError('INVALID_ARGUMENT', `${path} can't be read (${code})`, {
      details: { path },
      hint: 'name the folder of a bundle; "runc spec" and "crun spec" make its config.json',
      cause,
    })
  }
}

/** There is always a whole file, the one before or the new one, of the same owner. Errors: INVALID_ARGUMENT. */
export function replaceFile(path: string, text: string): void {
  try {
    replace(realpathSync(path), text)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CnmError('INVALID_ARGUMENT', `${path} can't be written (${code})`, {
      details: { path },
      cause,
    })
  }
}

function replace(path: string, text: string): void {
  const { mode, uid, gid } = statSync(path)
  const other = join(dirname(path), `.${basename(path)}.${process.pid}`)
  try {
    const fd = openSync(other, 'wx', mode)
    try {
      writeFileSync(fd, text)
      chownSync(other, uid, gid)
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
