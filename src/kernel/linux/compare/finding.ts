import type { Difference } from '../../kernel.ts'

/** How the machine differs from a resource; undefined: not at all. */
export type Finding = Omit<Difference, 'resource'> | undefined

export function missing(detail: string): Finding {
  return { state: 'missing', detail }
}

export function different(detail: string): Finding {
  return { state: 'different', detail }
}

/** All that differs, in one sentence. */
export function differences(found: readonly (string | false)[]): Finding {
  const list = found.filter((difference) => difference !== false)
  return list.length === 0 ? undefined : different(list.join('; '))
}
