import type { ElementResource } from '../kernel/resource.ts'
import { bridgeTable, hostTable } from './tables.ts'

export function hostElement(
  set: string,
  key: readonly string[],
  owner: string,
  value?: readonly string[],
): ElementResource {
  const { family, name: table } = hostTable
  const element = { kind: 'element', family, table, set, key, owner } as const
  return value === undefined ? element : { ...element, value }
}

export function bridgeElement(set: string, key: readonly string[], owner: string): ElementResource {
  const { family, name: table } = bridgeTable
  return { kind: 'element', family, table, set, key, owner }
}
