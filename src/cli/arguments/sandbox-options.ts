import type { Command } from 'commander'
import type { ConnectOptions } from '../../api/endpoint-options.ts'
import type { SandboxOptions } from '../../api/options.ts'
import { rateOptions, senderOptions } from './endpoint-options.ts'
import { collect, given, wholeNumber } from './option-values.ts'

/** The options of what makes a sandbox that is connected at once. */
export interface SandboxFlags {
  readonly network: readonly string[]
  readonly alias: readonly string[]
  readonly ip?: string
  readonly ip6?: string
  readonly macAddress?: string
  readonly gwPriority?: number
  readonly publish: readonly string[]
  readonly publishAll?: boolean
  readonly expose: readonly string[]
  readonly addresses: readonly string[]
  readonly macs: readonly string[]
  readonly rateIn?: string
  readonly rateOut?: string
  readonly hostname?: string
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOption: readonly string[]
  readonly addHost: readonly string[]
}

export function withNetworkOptions(command: Command, otherwise: string): Command {
  return command
    .option(
      '--network <network>',
      `network to be on; may be repeated (default: ${otherwise})`,
      collect,
      [],
    )
    .option('--ip <address>', 'IPv4 address on the first network')
    .option('--ip6 <address>', 'IPv6 address on the first network')
    .option(
      '-p, --publish <ports>',
      'publish ports at the host, on the first network: 8080:80, 127.0.0.1:8080:80/udp; may be repeated',
      collect,
      [],
    )
    .option('-P, --publish-all', 'publish all exposed ports, at free ports of the host')
    .option('--expose <port>', 'a port that the program listens on; may be repeated', collect, [])
    .option(
      '--addresses <address>',
      'may also be sent from on the first network, or "any"; may be repeated',
      collect,
      [],
    )
    .option(
      '--macs <mac>',
      'may also be sent from on the first network, or "any"; may be repeated',
      collect,
      [],
    )
    .option('--rate-in <rate>', 'most that gets to the program by the first network: 100mbit')
    .option('--rate-out <rate>', 'most that it sends by the first network')
    .option(
      '--gw-priority <number>',
      'of the first network: the highest has the default route (default: 1 with ports, else 0)',
      wholeNumber,
    )
}

export function withNameOptions(command: Command): Command {
  return command
    .option('--alias <name>', 'another name on its networks; may be repeated', collect, [])
    .option('--hostname <name>', 'its name for itself, and on its networks (default: its name)')
    .option(
      '--dns <server>',
      "server for outside names, instead of the host's: 10.7.0.5, [fd00::5]:5353; may be repeated",
      collect,
      [],
    )
    .option(
      '--dns-search <domain>',
      'domain in which names are looked for, "." for none; may be repeated (default: the host\'s)',
      collect,
      [],
    )
    .option('--dns-option <option>', 'for resolv.conf: ndots:2; may be repeated', collect, [])
    .option(
      '--add-host <name:address>',
      'for its hosts file: db:10.7.0.9, gate:host-gateway; may be repeated',
      collect,
      [],
    )
}

export function withMountOptions(command: Command): Command {
  return command
    .option('--mount-etc', 'show it hosts, resolv.conf and hostname of its own in /etc (default)')
    .option('--no-mount-etc', "leave it those of the host, and the host's hostname")
}

/** What isn't given isn't said at all: the host's own stack takes none of it. */
export function nameOptions(flags: SandboxFlags): SandboxOptions {
  const { hostname, dns, dnsSearch, dnsOption, addHost } = flags
  return given({ hostname, dns, dnsSearch, dnsOptions: dnsOption, extraHosts: addHost })
}

/** One for each network. What belongs to one endpoint only is that of the first. */
export function connections(
  flags: SandboxFlags,
  networks: readonly string[],
): readonly ConnectOptions[] {
  return networks.map((network, index) => ({
    network,
    ...given({ aliases: flags.alias }),
    ...(index === 0 ? firstOptions(flags) : {}),
  }))
}

function firstOptions(flags: SandboxFlags): Partial<ConnectOptions> {
  const { ip, ip6, macAddress: mac, publish, expose, publishAll = false } = flags
  const hasPorts = publish.length > 0 || publishAll
  // What is published is passed on only where the default route is.
  const gwPriority = flags.gwPriority ?? (hasPorts ? 1 : 0)
  return {
    ...given({ ip, ip6, mac, rate: rateOptions(flags), publish, expose }),
    ...senderOptions(flags),
    gwPriority,
    ...(publishAll ? { publishAll } : {}),
  }
}
