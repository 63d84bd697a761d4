/**
 * Whether two resources, or parts of them, are the same thing in the same state: equal as data, where an absent
 * property and an undefined one are the same, and the order of properties doesn't count.
 */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of Object.keys(left)) if (!isSame(left[key], right[key])) return false
  for (const key of Object.keys(right)) {
    if (right[key] !== undefined && left[key] === undefined) return false
  }
  return true
}
