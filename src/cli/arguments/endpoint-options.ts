import type { Command } from 'commander'
import type { EndpointOptions } from '../../api/endpoint-options.ts'
import { collect, fullPair, given, type Pairs, pair, wholeNumber } from './option-values.ts'

/** The options of what makes an endpoint, named as `docker network connect` has them. */
export function withEndpointOptions(command: Command): Command {
  return command
    .option('--ip <address>', 'IPv4 address (default: the next free one)')
    .option('--ip6 <address>', 'IPv6 address (default: the next free one)')
    .option('--alias <name>', 'another name on the network; may be repeated', collect, [])
    .option(
      '--link <endpoint:name>',
      'another endpoint, and what it is called; may be repeated',
      collect,
      [],
    )
    .option('--link-local-ip <address>', 'a further address; may be repeated', collect, [])
    .option(
      '--addresses <address>',
      'may also be sent from, or "any"; may be repeated',
      collect,
      [],
    )
    .option('--macs <mac>', 'may also be sent from, or "any"; may be repeated', collect, [])
    .option('--driver-opt <option>', 'KEY=VALUE of the driver; may be repeated', fullPair, {})
    .option('--gw-priority <number>', 'the highest has the default route (default: 0)', wholeNumber)
    .option('--mac-address <mac>', 'hardware address (default: derived from the address)')
    .option(
      '-p, --publish <ports>',
      'at the host: 8080:80, 53:53/udp; may be repeated',
      collect,
      [],
    )
    .option('--label <label>', 'KEY=VALUE; may be repeated', pair, {})
    .option('--rate-in <rate>', 'most that gets in: 100mbit')
    .option('--rate-out <rate>', 'most that gets out')
}

export interface EndpointFlags {
  readonly ip?: string
  readonly ip6?: string
  readonly alias: readonly string[]
  readonly link: readonly string[]
  readonly linkLocalIp: readonly string[]
  readonly addresses: readonly string[]
  readonly macs: readonly string[]
  readonly driverOpt: Pairs
  readonly gwPriority?: number
  readonly macAddress?: string
  readonly publish: readonly string[]
  readonly label: Pairs
  readonly rateIn?: string
  readonly rateOut?: string
}

export function endpointOptions(flags: EndpointFlags): EndpointOptions {
  const { ip, ip6, gwPriority, publish, macAddress: mac } = flags
  return {
    ...given({ ip, ip6, gwPriority, publish, mac }),
    ...given({ aliases: flags.alias, links: flags.link, linkLocal: flags.linkLocalIp }),
    ...senderOptions(flags),
    ...given({ options: flags.driverOpt, labels: flags.label, rate: rateOptions(flags) }),
  }
}

/** Besides its own. One "any" is any. */
export function senderOptions({
  addresses,
  macs,
}: Pick<EndpointFlags, 'addresses' | 'macs'>): Pick<EndpointOptions, 'addresses' | 'macs'> {
  const orAny = (list: readonly string[]) => (list.includes('any') ? 'any' : list)
  return given({ addresses: orAny(addresses), macs: orAny(macs) })
}

/** Both directions, as far as they are limited. */
export function rateOptions(flags: { readonly rateIn?: string; readonly rateOut?: string }) {
  return given({ toSandbox: flags.rateIn, fromSandbox: flags.rateOut })
}
