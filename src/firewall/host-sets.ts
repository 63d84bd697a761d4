import type { DataType, SetDefinition } from '../kernel/ruleset.ts'
import { flowLimitSets } from './flow-limits.ts'

/** All that varies. Names that end in a digit are there once for each family. */
export const hostSets: readonly SetDefinition[] = [
  { name: 'bridges', key: ['ifname'], comment: 'bridges of networks' },
  { name: 'internal', key: ['ifname'], comment: 'bridges of internal networks' },
  {
    name: 'same_bridge',
    key: ['ifname', 'ifname'],
    comment: 'bridges whose endpoints reach each other',
  },
  {
    name: 'one_bridge',
    key: ['ifname', 'ifname'],
    comment: 'bridges whose endpoints are kept apart',
  },
  {
    name: 'gateway_mode',
    key: ['nf_proto', 'ifname'],
    value: 'verdict',
    comment: 'what may come into a bridge from elsewhere',
  },
  {
    name: 'trusted',
    key: ['ifname', 'ifname'],
    comment: 'links and the bridges whose published ports they may reach directly',
  },
  {
    name: 'uplinks',
    key: ['nf_proto', 'ifname'],
    comment: 'links that forward only because of us',
  },
  {
    name: 'outward',
    key: ['nf_proto', 'ifname'],
    comment: 'links that lead to the world',
  },
  ...flowLimitSets,
  ...setsOfNetworks(4, 'ipv4_addr'),
  ...setsOfNetworks(6, 'ipv6_addr'),
  ...setsOfEndpoints(4, 'ipv4_addr'),
  ...setsOfEndpoints(6, 'ipv6_addr'),
]

function setsOfNetworks(family: 4 | 6, address: DataType): SetDefinition[] {
  const prefixes = { key: ['ifname', address], interval: true } as const
  return [
    {
      name: `sources${family}`,
      ...prefixes,
      comment: 'bridges and the senders that may be there',
    },
    {
      name: `subnets${family}`,
      key: [address],
      interval: true,
      comment: 'subnets that are on bridges of ours and nowhere else',
    },
    {
      name: `masquerade${family}`,
      ...prefixes,
      comment: 'bridges and subnets hidden behind the host',
    },
    {
      name: `snat${family}`,
      ...prefixes,
      value: [address],
      comment: 'bridges and subnets hidden behind an address',
    },
    {
      name: `hairpin${family}`,
      ...prefixes,
      comment: 'bridges and subnets that may use their own published ports',
    },
  ]
}

/**
 * Elements of endpoints are in exact sets, found and changed by hash. In a set of intervals a change
 * takes the longer the more there are: those hold nothing but real ranges.
 */
function setsOfEndpoints(family: 4 | 6, address: DataType): SetDefinition[] {
  const port = ['inet_proto', 'inet_service'] as const
  const addressAndPort = [address, ...port] as const
  const target = [address, 'inet_service'] as const
  return [
    {
      name: `published${family}`,
      key: port,
      value: target,
      comment: 'ports of all addresses and where they lead',
    },
    {
      name: `published${family}_at`,
      key: addressAndPort,
      value: target,
      comment: 'ports of one address and where they lead',
    },
    {
      name: `published${family}_ranges`,
      key: addressAndPort,
      value: [address],
      interval: true,
      comment: 'ranges of ports and where they lead, to the same ports',
    },
    {
      name: `open${family}`,
      key: addressAndPort,
      comment: 'ports that may be reached directly',
    },
    {
      name: `open${family}_ranges`,
      key: addressAndPort,
      interval: true,
      comment: 'ports that may be reached directly',
    },
    {
      name: `pairs${family}`,
      key: [address, address],
      comment: 'who may talk to whom where endpoints are kept apart',
    },
    {
      name: `quiet${family}`,
      key: addressAndPort,
      timeout: true,
      timeoutMs: 30_000,
      dynamic: true,
      comment: 'ports that were published and have to fall silent',
    },
    {
      name: `quiet_ranges${family}`,
      key: addressAndPort,
      interval: true,
      timeout: true,
      timeoutMs: 60_000,
      comment: 'ports that were published and have to fall silent',
    },
  ]
}
