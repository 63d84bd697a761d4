import { type NamespaceRef, resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Plan } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { retireIfb } from '../../links/ifb.ts'
import { findLink, ownLink } from '../../links/own-link.ts'
import { freeName, retireLink } from '../../links/retire.ts'
import type { NetnsHandle } from '../../namespaces/netns-handle.ts'
import { isOurs } from '../../ours.ts'
import { type Link, listLinks } from '../../rtnetlink/link.ts'

/** A veth that goes: its host end as it is, and where its other end is. */
interface Leaving {
  readonly key: string
  readonly link: Link
  /** Absent: another engine has moved it, and where is not known. */
  readonly namespace: NamespaceRef | undefined
  readonly inside: string
}

/** Inside the sandboxes that stay: their ends go down, and their names are free. */
export function leave(context: ApplyContext): void {
  const { plan, steps } = context
  for (const { key, link, namespace, inside } of context.once(leavingVeths)) {
    if (namespace === undefined || plan.retired.has(namespace.path)) continue
    const there = steps.find(namespace)
    // Whatever else has that name now isn't the other end of our link.
    if (link.peer === undefined || there?.netns.findIndex(inside) !== link.peer) continue
    there.push(...freeName(there.netns, link.peer, inside, key))
  }
}

/** The host's ends. */
export function retire(context: ApplyContext): void {
  const { transaction, plan, steps } = context
  for (const { key, link, namespace } of context.once(leavingVeths)) {
    const isRetired = plan.retired.has(namespace?.path ?? '')
    steps.host.push(
      retireLink(transaction, link, key, !isRetired),
      ...retireIfb(transaction, link.name, key),
    )
  }
}

/** Indexes of the host's ends that go with a namespace. */
export function linksRetiredWith(context: ApplyContext, path: string): readonly number[] {
  return context
    .once(leavingVeths)
    .filter(({ namespace }) => namespace?.path === path)
    .map(({ link }) => link.index)
}

function leavingVeths({ transaction, plan }: ApplyContext): readonly Leaving[] {
  return [...listedVeths(transaction.host, plan), ...unlistedVeths(transaction, plan)]
}

function listedVeths(host: NetnsHandle, { remove }: Plan): Leaving[] {
  return remove.of('veth').flatMap((veth) => {
    const { namespace, name: inside } = veth.peer
    const link = ownLink(host, veth.name, 'veth')
    return link === undefined ? [] : [{ key: resourceKey(veth), link, namespace, inside }]
  })
}

/** A namespace takes its links with it, also those that are not listed. */
function unlistedVeths({ host, handles }: Transaction, { remove }: Plan): Leaving[] {
  const listed = new Set(remove.of('veth').map(({ peer }) => peer.namespace?.path))
  return remove.of('namespace').flatMap((resource) => {
    const { namespace } = resource
    const netns = listed.has(namespace.path) ? undefined : handles.find(namespace)
    if (netns === undefined) return []
    const key = resourceKey(resource)
    return listLinks(netns.socket, { kind: 'veth' }).flatMap(({ index, peer, name }) => {
      const link = peer === undefined ? undefined : findLink(host, peer)
      const isOther = link?.kind === 'veth' && link.peer === index && isOurs(link)
      return isOther ? [{ key, link, namespace, inside: name }] : []
    })
  })
}
