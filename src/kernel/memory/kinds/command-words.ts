import type { NamespaceRef } from '../../resource.ts'

/** What `ip` is told of where it has to work. */
export function inNetns(namespace: NamespaceRef | undefined): string {
  return namespace === undefined ? '' : ` -n ${namespace.path}`
}

/** An option that may be absent. */
export function option(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : ` ${name} ${value}`
}
