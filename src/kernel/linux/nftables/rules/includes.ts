/**
 * Whether the kernel's answer has everything that was asked for. It tells more than it was told
 * (counters, handles, defaults), so what isn't expected doesn't count.
 */
export function includes(actual: unknown, expected: unknown): boolean {
  if (expected instanceof Uint8Array) {
    return actual instanceof Uint8Array && Buffer.compare(actual, expected) === 0
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return false
    return expected.every((part, index) => includes(actual[index], part))
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null) return false
    const fields = actual as Readonly<Record<string, unknown>>
    return Object.entries(expected).every(
      ([name, value]) => value === undefined || includes(fields[name], value),
    )
  }
  return actual === expected
}
