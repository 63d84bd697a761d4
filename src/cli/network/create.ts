import { Command } from 'commander'
import { collect, fullPair, given, type Pairs, pair } from '../arguments/option-values.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson, printLine } from '../output/output.ts'
import { subnetOptions } from './subnets.ts'

interface Flags extends ClientFlags {
  readonly driver?: string
  readonly subnet: readonly string[]
  readonly ipRange: readonly string[]
  readonly gateway: readonly string[]
  readonly auxAddress: Pairs
  readonly ipv4?: boolean
  readonly ipv6?: boolean
  readonly internal?: boolean
  readonly label: Pairs
  readonly opt: Pairs
  readonly ipamDriver?: string
  readonly dns: readonly string[]
  readonly allowHostOverlap?: boolean
}

export function createCommand(): Command {
  return withClientOptions(withAddressOptions(new Command('create')))
    .description('make a network, and print its id')
    .argument('<name>', 'what it is to be called')
    .option('-d, --driver <driver>', 'who provides it (default: bridge)')
    .option('--internal', 'nothing gets in or out')
    .option('--label <label>', 'KEY=VALUE; may be repeated', pair, {})
    .option(
      '-o, --opt <option>',
      "the driver's: icc=false, mtu=1400; may be repeated",
      fullPair,
      {},
    )
    .option('--dns <server>', 'who is asked for names outside; may be repeated', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  cnm network create web
  cnm network create --subnet 10.7.0.0/24 --gateway 10.7.0.1 web
  cnm network create --internal --ipv6 --label team=db back
  cnm network create --subnet 10.9.0.0/24 --ip-range 10.9.0.128/25 -o icc=false quiet`,
    )
    .action(guarded(create))
}

function withAddressOptions(command: Command): Command {
  return command
    .option('--subnet <subnet>', 'at most one of each family (default: a free one)', collect, [])
    .option('--ip-range <range>', 'part of the subnet to take addresses from', collect, [])
    .option('--gateway <address>', "the host's address on it (default: the first)", collect, [])
    .option('--aux-address <name=address>', 'never handed out; may be repeated', fullPair, {})
    .option('--ipv4', 'with IPv4 (default)')
    .option('--no-ipv4', 'without IPv4')
    .option('--ipv6', 'with IPv6 (default: only with an IPv6 subnet)')
    .option('--no-ipv6', 'without IPv6')
    .option(
      '--allow-host-overlap',
      'even if the host uses addresses of the subnet itself (as -o hostOverlap=true)',
    )
    .option('--ipam-driver <driver>', 'who hands out addresses (default: local)')
}

async function create(name: string, flags: Flags): Promise<number> {
  const { driver, internal, label, opt, ipv4, ipv6, ipamDriver, dns, json } = flags
  const subnets = subnetOptions(flags)
  const options = { ...opt, ...(flags.allowHostOverlap ? { hostOverlap: 'true' } : {}) }
  return withDaemon(flags, async (cnm) => {
    const network = await cnm.createNetwork({
      name,
      ...given({ driver, internal, subnets, ipv4, ipv6, dns }),
      ...given({ labels: label, options, ipam: ipamDriver }),
    })
    for (const each of network.info.warnings ?? []) process.stderr.write(`warning: ${each}\n`)
    if (json) printJson(network.info)
    else printLine(network.id)
  })
}
