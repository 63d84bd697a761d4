import { CnmError } from '../../base/errors.ts'

/** Whether a thing has what a filter's value asks for. */
export type Filters<T> = Readonly<Record<string, (thing: T, value: string) => boolean>>

/**
 * As Docker filters: values of one key are alternatives, of different keys all must hold; labels must all
 * be there. Errors: INVALID_ARGUMENT (no such key).
 */
export function filterOf<T>(texts: readonly string[], filters: Filters<T>): (thing: T) => boolean {
  const wanted = new Map<string, string[]>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const key = text.slice(0, at === -1 ? undefined : at)
    if (at === -1 || !Object.hasOwn(filters, key)) throw unknownFilter(text, Object.keys(filters))
    const values = wanted.get(key) ?? []
    wanted.set(key, [...values, text.slice(at + 1)])
  }
  return (thing) =>
    [...wanted].every(([key, values]) => {
      const holds = (value: string) => filters[key]?.(thing, value) === true
      return key.startsWith('label') ? values.every(holds) : values.some(holds)
    })
}

function unknownFilter(text: string, keys: readonly string[]): CnmError {
  return new CnmError('INVALID_ARGUMENT', `"${text}" is no filter here`, {
    details: { filter: text },
    hint: `write KEY=VALUE with one of ${keys.join(', ')}`,
  })
}

/** `KEY` or `KEY=VALUE` */
export function hasLabel(labels: Readonly<Record<string, string>>, text: string): boolean {
  const at = text.indexOf('=')
  const key = at === -1 ? text : text.slice(0, at)
  return Object.hasOwn(labels, key) && (at === -1 || labels[key] === text.slice(at + 1))
}

/** `true`, `1`, `false` or `0` */
export function isTrue(text: string): boolean {
  if (['true', '1'].includes(text)) return true
  if (['false', '0'].includes(text)) return false
  throw new CnmError('INVALID_ARGUMENT', `"${text}" is neither true nor false`)
}
