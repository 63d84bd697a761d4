import { type NamespaceResource, resourceKey } from '../../resource.ts'
import type { Transaction } from '../apply/transaction.ts'
import {
  makeMountPoint,
  mountNamespace,
  remountNamespace,
  removeMountPoint,
  unmountNamespace,
} from '../namespaces/namespace.ts'
import type { NamespaceStock } from '../namespaces/namespace-stock.ts'
import { setLink } from '../rtnetlink/link.ts'

/** Namespaces in `add`: made, or found. */
export function makeNamespaces(
  transaction: Transaction,
  stock: NamespaceStock,
  resources: readonly NamespaceResource[],
): void {
  for (const resource of resources) {
    const { path } = resource.namespace
    transaction.attempt(resourceKey(resource), () => {
      const isNew = makeMountPoint(path)
      if (!isNew && isThere(transaction, resource)) return
      try {
        const place = stock.take()
        transaction.places.add(path, place)
        mountNamespace(path, place.fd)
      } catch (error) {
        if (isNew) removeMountPoint(path)
        throw error
      }
      transaction.onRollback(() => {
        const fd = unmountNamespace(path)
        if (fd !== undefined) transaction.doomNamespace({ fd, links: [] })
      })
    })
  }
}

function isThere({ places }: Transaction, { namespace }: NamespaceResource): boolean {
  // A crash between making the file and mounting the namespace leaves an empty file.
  const place = places.find(namespace)
  place?.socket.request(setLink('lo', { up: true }))
  return place !== undefined
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
    if (fd === undefined) {
      // Somebody unmounted it; whatever is still inside keeps it, and its links with it.
      for (const index of links.get(path) ?? []) transaction.doomLink(index)
      continue
    }
    const doomed = { fd, links: links.get(path) ?? [] }
    transaction.doomNamespace(doomed)
    transaction.onRollback(() => {
      transaction.spareNamespace(doomed)
      remountNamespace(path, fd)
    })
  }
}
