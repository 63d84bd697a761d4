import { InvalidArgumentError } from 'commander'

/** For options that may be repeated. */
export const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value]

export function wholeNumber(text: string): number {
  if (/^-?\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is no whole number.')
}

export type Pairs = Readonly<Record<string, string>>

/** `KEY=VALUE`, and with `KEY` alone an empty value, as Docker has it. */
export function pair(text: string, all: Pairs): Pairs {
  const at = text.indexOf('=')
  const key = at === -1 ? text : text.slice(0, at)
  if (key === '') throw new InvalidArgumentError('It has no key: write KEY=VALUE.')
  return { ...all, [key]: at === -1 ? '' : text.slice(at + 1) }
}

/** The same where a value is needed. */
export function fullPair(text: string, all: Pairs): Pairs {
  if (text.includes('=')) return pair(text, all)
  throw new InvalidArgumentError('It has no value: write KEY=VALUE.')
}

/** Without what wasn't given: neither undefined nor an empty list or record. */
export function given<T extends object>(options: T): Given<T> {
  const entries = Object.entries(options).filter(([, value]) => {
    if (typeof value !== 'object' || value === null) return value !== undefined
    return Object.keys(value).length > 0
  })
  return Object.fromEntries(entries) as Given<T>
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }
