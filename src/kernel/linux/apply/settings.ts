import { KernelError } from '../../../base/errors.ts'
import type { NamespaceRef } from '../../resource.ts'
import { readSysctl, writeSysctl } from '../host/sysctl.ts'
import type { Namespaces } from '../namespaces/namespace.ts'
import { byNamespace } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** A sysctl, and the resource it belongs to. */
export interface Setting {
  readonly namespace?: NamespaceRef
  readonly key: string
  readonly name: string
  readonly value: string
  /** It is no failure if the kernel has no such thing. */
  readonly optional?: boolean
  /** Of a link that was made for this: what it was before doesn't matter. */
  readonly fresh?: boolean
}

/** Writes them, each namespace entered once. */
export function writeSettings(
  transaction: Transaction,
  namespaces: Namespaces,
  settings: readonly Setting[],
): void {
  inEachNamespace(transaction, namespaces, settings, (setting, inside) => {
    transaction.attempt(setting.key, () => write(transaction, setting, inside))
  })
}

function write(
  transaction: Transaction,
  { name, value, optional, fresh }: Setting,
  inside: (work: () => void) => void,
): void {
  if (fresh) {
    writeSysctl(name, value)
    return
  }
  const found = readSysctl(name)
  if (found === value || (found === undefined && optional)) return
  if (found === undefined) {
    throw new KernelError('sysctl', 'ENOENT', { target: name, message: 'there is no such sysctl' })
  }
  writeSysctl(name, value)
  transaction.onRollback(() => inside(() => writeSysctl(name, found)))
}

/** Visits each setting from inside its namespace; `inside` does so again later. */
export function inEachNamespace<S extends { readonly namespace?: NamespaceRef }>(
  { handles, host }: Transaction,
  namespaces: Namespaces,
  settings: readonly S[],
  visit: (setting: S, inside: (work: () => void) => void) => void,
): void {
  for (const list of byNamespace(settings).values()) {
    const netns = handles.at(list[0]!.namespace)
    const inside = (work: () => void) => {
      if (netns === host) work()
      else namespaces.enter(netns.fd, work)
    }
    inside(() => {
      for (const setting of list) visit(setting, inside)
    })
  }
}

/** How a link of ours has IPv6, or that it has none. */
export function ipv6Settings(
  link: string,
  ipv6: boolean,
  rest: Pick<Setting, 'namespace' | 'key' | 'fresh'>,
): Setting[] {
  const of = (what: string, value: string): Setting => ({
    ...rest,
    name: `net/ipv6/conf/${link}/${what}`,
    value,
    optional: !ipv6,
  })
  if (!ipv6) return [of('disable_ipv6', '1')]
  return [of('accept_ra', '0'), of('accept_dad', '0'), of('disable_ipv6', '0')]
}
