import { access, rename } from 'node:fs/promises'

/** Renames what can't be read to `<path>.unreadable-<first free number>`; answers with that name. */
export async function moveAside(path: string): Promise<string> {
  for (let number = 1; ; number++) {
    const aside = `${path}.unreadable-${number}`
    if (await exists(aside)) continue
    await rename(path, aside)
    return aside
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
