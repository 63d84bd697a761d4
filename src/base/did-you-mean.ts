/** What a word that isn't known was probably meant to be: at most a third of it is other, or only its capitals are. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase()
  const most = Math.max(1, Math.floor(word.length / 3))
  const all = known
    .map((each) => ({ each, distance: distanceOf(lower, each.toLowerCase()) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance)
  return all[0]?.each
}

/** `did you mean "mtu"?` */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const found = nearest(word, known)
  return found === undefined ? undefined : `did you mean ${JSON.stringify(found)}?`
}

/** How many letters are added, left out, changed, or changed places with their neighbour. */
function distanceOf(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1]
      const changed = row[j - 1]! + (isSame ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(
        Math.min(row[j]! + 1, next[j - 1]! + 1, changed, swapped ? before[j - 2]! + 1 : changed),
      )
    }
    before = row
    row = next
  }
  return row[b.length]!
}
