import { access, link, lstat, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { SetAside } from '../store.ts'
import { isErrno } from './unavailable.ts'

/** Renames what can't be read to `<path>.unreadable-<first free number>`; answers with that name. */
export async function moveAside(path: string): Promise<string> {
  const aside = await freeName(path)
  await rename(path, aside)
  return aside
}

/** Likewise, but it stays in its place as well, until something is renamed to that. */
export async function keepAside(path: string): Promise<string> {
  const aside = await freeName(path)
  await link(path, aside).catch((error: unknown) => {
    // Not every file system can do that.
    if (isErrno(error, 'EPERM', 'ENOSYS', 'EOPNOTSUPP')) return rename(path, aside)
    throw error
  })
  return aside
}

/** What has one of these names and is no file: opening a FIFO would wait for ever. */
export async function clearWay(
  folder: string,
  names: readonly string[],
): Promise<readonly SetAside[]> {
  const setAside: SetAside[] = []
  for (const name of names) {
    const path = join(folder, name)
    if ((await kindOf(path)) !== 'other') continue
    setAside.push({ path: await moveAside(path), reason: `what is at ${path} is no file` })
  }
  return setAside
}

/** Links are not followed. */
export async function kindOf(path: string): Promise<'file' | 'other' | undefined> {
  try {
    return (await lstat(path)).isFile() ? 'file' : 'other'
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

async function freeName(path: string): Promise<string> {
  for (let number = 1; ; number++) {
    const aside = `${path}.unreadable-${number}`
    if (!(await exists(aside))) return aside
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
