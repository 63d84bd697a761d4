import type { ResolverResource, ZoneResource } from '../../../kept-resource.ts'
import type { Difference } from '../../../kernel.ts'
import type { Namespaces } from '../../namespaces/namespace.ts'
import { type Place, sandboxSocket } from '../../namespaces/place.ts'
import { NETLINK_NETFILTER } from '../../netlink/netlink-socket.ts'
import { tableTarget } from '../../nftables/batch.ts'
import { compareTable } from '../../nftables/compare.ts'
import {
  portsIn,
  portsOf,
  RESOLVER_TABLE,
  readResolverTable,
} from '../../resolver/resolver-table.ts'
import { zoneTable, zoneTableName } from '../../resolver/zone-table.ts'
import type { Ruleset } from '../../ruleset/ruleset.ts'

/** The way to a resolver from port 53; whether somebody keeps its sockets is another question. */
export function compareResolver(
  namespaces: Namespaces,
  { fd }: Place,
  { namespace }: ResolverResource,
): Omit<Difference, 'resource'> | undefined {
  const table = namespaces.enter(fd, () => {
    using socket = sandboxSocket(NETLINK_NETFILTER)
    return readResolverTable(socket)
  })
  const where = `${RESOLVER_TABLE} in ${namespace.path}`
  if (table === undefined) return { state: 'missing', detail: `no ${where}` }
  if (portsOf(table) !== undefined) return undefined
  return { state: 'different', detail: `${where} is not as we made it` }
}

/** The same for a zone. */
export function compareZone(
  ruleset: Ruleset,
  zone: ZoneResource,
): Omit<Difference, 'resource'> | undefined {
  const name = zoneTableName(zone)
  const where = `table ${tableTarget(name)}`
  if (!ruleset.isThere(name)) return { state: 'missing', detail: `no ${where}` }
  const table = readResolverTable(ruleset.socket, name)
  const ports = table && portsIn(table)
  if (ports === undefined) return { state: 'different', detail: `${where} is not as we made it` }
  const wanted = ruleset.asPossible(zoneTable(zone, ports))
  const differences = compareTable(ruleset.socket, wanted)
  if (differences.length === 0) return undefined
  return { state: 'different', detail: differences.join('; ') }
}
