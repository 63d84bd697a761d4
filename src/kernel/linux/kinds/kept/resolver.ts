import { RESOLVER_ADDRESS, type ResolverResource } from '../../../kept-resource.ts'
import { resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Machinery } from '../../apply/machinery.ts'
import type { Transaction } from '../../apply/transaction.ts'
import type { Comparison } from '../../compare/comparison.ts'
import { different, type Finding, missing } from '../../compare/finding.ts'
import { close } from '../../ffi/file.ts'
import { type KeptSockets, openAll } from '../../keeper/keeping.ts'
import { type NetnsHandle, sandboxSocket } from '../../namespaces/netns-handle.ts'
import { NETLINK_NETFILTER, type NetlinkSocket } from '../../netlink/netlink-socket.ts'
import {
  findResolverPorts,
  openResolverSockets,
  USUAL_PORTS,
} from '../../resolver/resolver-sockets.ts'
import {
  isTableFor,
  makeResolverTable,
  portsOf,
  RESOLVER_TABLE,
  type ResolverPorts,
  type ResolverTable,
  readResolverTable,
  replaceResolverTable,
  resolverTable,
} from '../../resolver/resolver-table.ts'
import { setLink } from '../../rtnetlink/link.ts'
import type { Kind } from '../kind.ts'
import { compareKept } from './kept.ts'

export const resolver: Kind<'resolver'> = {
  apply: {
    listen(context) {
      removeTables(context)
      context.keeping.take(openResolvers(context))
    },
  },
  compare: (comparison, resource) =>
    compareKept(comparison, resource) ?? compareTable(comparison, resource),
}

function removeTables({ transaction, machinery, plan }: ApplyContext): void {
  for (const resource of plan.remove.of('resolver')) {
    if (plan.retired.has(resource.namespace.path)) continue
    transaction.attempt(resourceKey(resource), () => {
      const netns = transaction.handles.find(resource.namespace)
      if (netns !== undefined) changeTable(transaction, machinery, netns, () => undefined)
    })
  }
}

/**
 * The sockets of resolvers that are not kept yet, inside their sandboxes, and the way to them from port
 * 53; where they are kept, only that is mended.
 */
function openResolvers(context: ApplyContext): KeptSockets {
  const { transaction, machinery, plan, keeping } = context
  return openAll((opened) => {
    takePrepared(context, opened)
    for (const resource of plan.add.of('resolver')) {
      const key = resourceKey(resource)
      if (opened.has(key)) continue
      transaction.attempt(key, () => {
        const netns = upNetns(transaction, resource)
        if (keeping.isKept(key)) mendTable(transaction, machinery, netns)
        else opened.set(key, openResolver(transaction, machinery, netns))
      })
    }
  })
}

/** What new namespaces have of a resolver. */
function takePrepared(
  { transaction, machinery, plan: { add } }: ApplyContext,
  taken: Map<string, readonly number[]>,
): void {
  const keys = new Map(add.of('resolver').map((it) => [it.namespace.path, resourceKey(it)]))
  for (const resource of add.of('namespace')) {
    const { namespace } = resource
    transaction.attempt(resourceKey(resource), () => {
      const key = keys.get(namespace.path)
      const netns = transaction.handles.at(namespace)
      const sockets = machinery.pool.takeResolver(netns, key !== undefined)
      if (key !== undefined && sockets !== undefined) taken.set(key, sockets)
    })
  }
}

function upNetns({ handles }: Transaction, { namespace }: ResolverResource): NetnsHandle {
  const netns = handles.at(namespace)
  // In an adopted namespace it may be down, and then there is no such address.
  netns.socket.request(setLink('lo', { up: true }))
  return netns
}

function mendTable(transaction: Transaction, machinery: Machinery, netns: NetnsHandle): void {
  changeTable(transaction, machinery, netns, (before) => {
    return findResolverPorts(RESOLVER_ADDRESS) ?? (before && portsOf(before)) ?? USUAL_PORTS
  })
}

function openResolver(
  transaction: Transaction,
  machinery: Machinery,
  netns: NetnsHandle,
): readonly number[] {
  const { ports, descriptors } = machinery.namespaces.enter(netns.fd, () =>
    openResolverSockets(RESOLVER_ADDRESS),
  )
  try {
    changeTable(transaction, machinery, netns, () => ports)
    return descriptors
  } catch (error) {
    for (const fd of descriptors) close(fd)
    throw error
  }
}

/** Makes it lead to the ports that `choose` wants, from inside; undefined: away with it. */
function changeTable(
  transaction: Transaction,
  { namespaces, pool }: Machinery,
  netns: NetnsHandle,
  choose: (before: ResolverTable | undefined) => ResolverPorts | undefined,
): void {
  const inside = (work: (socket: NetlinkSocket, deletes: () => void) => void) =>
    namespaces.enter(netns.fd, () => pool.lingering.with(work))
  inside((socket, deletes) => {
    const before = pool.isNew(netns) ? undefined : readResolverTable(socket)
    const ports = choose(before)
    if (isTableFor(before, ports)) return
    if (before === undefined && ports !== undefined) makeResolverTable(socket, ports)
    else {
      deletes()
      replaceResolverTable(socket, ports && resolverTable(ports))
    }
    if (pool.isNew(netns)) return
    transaction.onRollback(() =>
      inside((again, deletesAgain) => {
        deletesAgain()
        replaceResolverTable(again, before)
      }),
    )
  })
}

/** The way to it from port 53; whether its sockets are kept is another question. */
function compareTable(comparison: Comparison, { namespace }: ResolverResource): Finding {
  const netns = comparison.in(namespace)?.netns
  if (netns === undefined) return missing(`no namespace at ${namespace.path}`)
  const table = comparison.machinery.namespaces.enter(netns.fd, () => {
    using socket = sandboxSocket(NETLINK_NETFILTER)
    return readResolverTable(socket)
  })
  const where = `${RESOLVER_TABLE} in ${namespace.path}`
  if (table === undefined) return missing(`no ${where}`)
  return portsOf(table) === undefined ? different(`${where} is not as we made it`) : undefined
}
