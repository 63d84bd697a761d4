import { existsSync } from 'node:fs'
import { isCnmError } from '../../../base/errors.ts'
import { type NamespaceResource, resourceKey } from '../../resource.ts'
import { type Namespaces, remountNamespace, unmountNamespace } from '../namespace.ts'
import { ownPlace } from '../place.ts'
import { setLink } from '../rtnetlink/link.ts'
import { writeSysctlIfThere } from '../sysctl.ts'
import type { Transaction } from './transaction.ts'

/** Namespaces in `add`: made, or found. */
export function makeNamespaces(
  transaction: Transaction,
  namespaces: Namespaces,
  resources: readonly NamespaceResource[],
): void {
  for (const resource of resources) {
    transaction.attempt(resourceKey(resource), () => {
      if (!isThere(transaction, resource)) makeNamespace(transaction, namespaces, resource)
    })
  }
}

function isThere({ places }: Transaction, { namespace }: NamespaceResource): boolean {
  if (!existsSync(namespace.path)) return false
  try {
    const { socket } = places.at(namespace)
    socket.request(setLink('lo', { up: true }))
    return true
  } catch (error) {
    // A crash between making the file and mounting the namespace leaves an empty file.
    if (isCnmError(error, 'NAMESPACE_NOT_FOUND')) return false
    throw error
  }
}

function makeNamespace(
  transaction: Transaction,
  namespaces: Namespaces,
  { namespace: { path } }: NamespaceResource,
): void {
  const place = namespaces.create(path, () => {
    // Links born here have no IPv6 until it is switched on for them: that is one write less for each.
    writeSysctlIfThere('net/ipv6/conf/default/disable_ipv6', '1')
    const own = ownPlace()
    try {
      own.socket.request(setLink('lo', { up: true }))
    } catch (error) {
      own.close()
      throw error
    }
    return own
  })
  transaction.places.add(path, place)
  transaction.onRollback(() => {
    const fd = unmountNamespace(path)
    if (fd !== undefined) transaction.doomNamespace({ fd, links: [] })
  })
}

/**
 * Namespaces in `remove` leave their paths. What is left of them goes when the descriptor is closed
 * that this hands on; `links` are the host ends that go with them, by path.
 */
export function removeNamespaces(
  transaction: Transaction,
  resources: readonly NamespaceResource[],
  links: ReadonlyMap<string, readonly number[]>,
): void {
  for (const resource of resources) {
    const { path } = resource.namespace
    const fd = transaction.attempt(resourceKey(resource), () => unmountNamespace(path))
    if (fd === undefined) continue
    const doomed = { fd, links: links.get(path) ?? [] }
    transaction.doomNamespace(doomed)
    transaction.onRollback(() => {
      transaction.spareNamespace(doomed)
      remountNamespace(path, fd)
    })
  }
}
