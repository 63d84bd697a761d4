import type { ResolverResource } from '../kept-resource.ts'
import type { Difference } from '../kernel.ts'
import type { Namespaces } from './namespace.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink/netlink-socket.ts'
import type { Place } from './place.ts'
import { portsOf, RESOLVER_TABLE, readResolverTable } from './resolver-table.ts'

/** The way to a resolver from port 53; whether somebody keeps its sockets is another question. */
export function compareResolver(
  namespaces: Namespaces,
  { fd }: Place,
  { namespace }: ResolverResource,
): Omit<Difference, 'resource'> | undefined {
  const table = namespaces.enter(fd, () => {
    using socket = new NetlinkSocket(NETLINK_NETFILTER)
    return readResolverTable(socket)
  })
  const where = `${RESOLVER_TABLE} in ${namespace.path}`
  if (table === undefined) return { state: 'missing', detail: `no ${where}` }
  if (portsOf(table) !== undefined) return undefined
  return { state: 'different', detail: `${where} is not as we made it` }
}
