import { ZONE_TABLES, type ZoneResource } from '../../kept-resource.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { TableName } from '../nftables/batch.ts'
import { type ResolverPorts, wayTo } from './resolver-table.ts'

/** NFT_TABLE_MAXNAMELEN, without the zero. Zones in which a name could be asked are shorter. */
const LONGEST = 255

export function zoneTableName({ name }: ZoneResource): TableName {
  const { family, prefix } = ZONE_TABLES
  return { family, name: `${prefix}${name}`.slice(0, LONGEST) }
}

/** The way to these ports from port 53 of the zone's address. */
export function zoneTable(zone: ZoneResource, ports: ResolverPorts): TableDefinition {
  return { ...zoneTableName(zone), owned: true, sets: [], chains: [wayTo(zone.listen, ports)] }
}
