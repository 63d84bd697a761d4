import { type NamespaceResource, resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { missing } from '../../compare/finding.ts'
import {
  makeMountPoint,
  mountNamespace,
  remountNamespace,
  removeMountPoint,
  unmountNamespace,
} from '../../namespaces/namespace.ts'
import { setLink } from '../../rtnetlink/link.ts'
import type { Kind } from '../kind.ts'
import { linksRetiredWith } from '../veth/leaving.ts'
import { surveyedNamespaces } from './survey-namespaces.ts'

export const namespace: Kind<'namespace'> = {
  apply: { 'make namespaces': make, unmount },
  compare: (comparison, { namespace: ref }) =>
    comparison.in(ref) ? undefined : missing(`no namespace at ${ref.path}`),
  survey: (context) => ({ namespaces: surveyedNamespaces(context) }),
}

/** Made, or found. */
function make({ transaction, machinery, plan }: ApplyContext): void {
  for (const resource of plan.add.of('namespace')) {
    const { path } = resource.namespace
    transaction.attempt(resourceKey(resource), () => {
      const isNew = makeMountPoint(path)
      if (!isNew && isThere(transaction, resource)) return
      try {
        const netns = machinery.pool.take()
        transaction.handles.add(path, netns)
        mountNamespace(path, netns.fd)
      } catch (error) {
        if (isNew) removeMountPoint(path)
        throw error
      }
      transaction.onRollback(() => {
        const fd = unmountNamespace(path)
        if (fd !== undefined) transaction.addRetiredNamespace({ fd, links: [] })
      })
    })
  }
}

function isThere({ handles }: Transaction, { namespace }: NamespaceResource): boolean {
  // A crash between making the file and mounting the namespace leaves an empty file.
  const netns = handles.find(namespace)
  netns?.socket.request(setLink('lo', { up: true }))
  return netns !== undefined
}

/** They leave their paths. What is left of them goes when the descriptor is closed that this hands on. */
function unmount(context: ApplyContext): void {
  const { transaction, plan } = context
  for (const resource of plan.remove.of('namespace')) {
    const { path } = resource.namespace
    const links = linksRetiredWith(context, path)
    const fd = transaction.attempt(resourceKey(resource), () => unmountNamespace(path))
    if (fd === undefined) {
      // Another process unmounted it; what is still inside keeps it, and its links with it.
      for (const index of links) transaction.addRetiredLink(index)
      continue
    }
    const retired = { fd, links }
    transaction.addRetiredNamespace(retired)
    transaction.onRollback(() => {
      transaction.cancelRetiredNamespace(retired)
      remountNamespace(path, fd)
    })
  }
}
