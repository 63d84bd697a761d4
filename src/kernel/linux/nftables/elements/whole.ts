const ATTEMPTS = 20

/**
 * A listing of a set with nothing left out. The kernel lists a set in parts, each of which begins anew and
 * passes over as many elements as have been told. While a set of hashes grows or shrinks, which it goes on
 * to do when the change that caused it is done, their order changes between the parts: then some elements
 * are told twice, and as many others not at all. No other trouble is possible: where none is told twice,
 * the last part has passed over just those that were told before, and has told all others.
 *
 * `keyOf`: what tells an entry from others; undefined where it has no key.
 */
export function untilWhole<Entry>(
  list: () => readonly Entry[],
  keyOf: (entry: Entry) => string | undefined,
): readonly Entry[] {
  for (let attempt = 1; ; attempt++) {
    const entries = list()
    const byKey = new Map<string, Entry>()
    let hasTwice = false
    for (const entry of entries) {
      const key = keyOf(entry)
      if (key === undefined) continue
      hasTwice ||= byKey.has(key)
      byKey.set(key, entry)
    }
    if (!hasTwice) return entries
    // It grows by doubling, so it has long come to an end.
    if (attempt === ATTEMPTS) return [...byKey.values()]
  }
}
