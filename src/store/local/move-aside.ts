import { access, link, rename } from 'node:fs/promises'
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
