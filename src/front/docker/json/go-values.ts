import { invalid } from './docker-error.ts'

/** What Go's `strconv.ParseBool` takes for true or false. */
export function parseGoBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  return undefined
}

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** `1h30m`, `1.5s`, `10ms`, in milliseconds. */
export function parseGoDuration(text: string): number | undefined {
  const match = /^([+-])?((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$/.exec(text)
  if (match === null) return undefined
  const [, sign, parts = ''] = match
  let sum = 0
  for (const [, number, unit = ''] of parts.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(number) * (nanoseconds[unit] ?? 0)
  }
  return (sign === '-' ? -sum : sum) / 1e6
}

/** `1795710981` or `1795710981.000000042`, in nanoseconds. */
export function parseUnixTime(text: string): bigint | undefined {
  const match = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text)
  if (match === null) return undefined
  const [, seconds = '', fraction = ''] = match
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}

/** A point in time as `until` of prune gives it: Unix time, a date, or how long ago. In milliseconds. */
export function parseGoTime(text: string, nowMs: number): number {
  const unix = parseUnixTime(text)
  if (unix !== undefined) return Number(unix / 1_000_000n)
  const durationMs = parseGoDuration(text)
  if (durationMs !== undefined) return nowMs - durationMs
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)
  // Without minutes it is no date to JavaScript.
  const date = isDate ? Date.parse(text.replace(/T(\d\d)(Z|[+-]|$)/, 'T$1:00$2')) : Number.NaN
  if (!Number.isNaN(date)) return date
  throw invalid(`failed to parse value as time or duration: ${JSON.stringify(text)}`)
}
