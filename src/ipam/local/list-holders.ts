const inWords = 4
/** Enough for a whole /24; an error is no place for the 65,000 holders of a /16. */
const inDetails = 256

/** Who holds what, for an error: the first few in words, more of them as data. */
export function listHolders(
  entries: Iterable<readonly [held: string, holder: string]>,
  total: number,
): { readonly words: string; readonly holders: Readonly<Record<string, string>> } {
  const listed: (readonly [string, string])[] = []
  for (const entry of entries) {
    listed.push(entry)
    if (listed.length === inDetails) break
  }
  const words = listed.slice(0, inWords).map(([held, holder]) => `${held} is held by ${holder}`)
  const more = total - words.length
  if (more > 0) words.push(`${more} more by others`)
  return { words: words.join(', '), holders: Object.fromEntries(listed) }
}
