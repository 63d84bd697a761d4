import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { CnmError, isCnmError, throwIfAborted } from '../base/errors.ts'
import {
  type ConnectOptions,
  type Controller,
  createController,
  type Network,
  type Sandbox,
  type SandboxOptions,
} from '../linux.ts'
import { type EngineFlags, engineOptions, withEngineOptions } from './engine-options.ts'
import { guarded } from './fail.ts'
import { SignalRelay } from './signal-relay.ts'

interface Flags extends EngineFlags {
  readonly name?: string
  readonly network: readonly string[]
  readonly alias: readonly string[]
  readonly ip?: string
  readonly ip6?: string
  readonly gwPriority?: number
  readonly publish: readonly string[]
  readonly publishAll?: boolean
  readonly expose: readonly string[]
  readonly rateIn?: string
  readonly rateOut?: string
  readonly hostname?: string
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOption: readonly string[]
  readonly addHost: readonly string[]
  readonly mountEtc?: boolean
  readonly json?: boolean
}

const collect = (value: string, all: readonly string[]) => [...all, value]

export function runCommand(): Command {
  return withNameOptions(withNetworkOptions(withEngineOptions(new Command('run'))))
    .description('run a program with a network of its own')
    .argument('<command...>', 'the program and its arguments')
    .option('--json', 'errors as JSON')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
A network that doesn't exist is made, and goes with its last sandbox. "none" is no network, "host" the
host's own. Ports are published on the first network, which has the default route then. Sandboxes find
one another by name on their networks, and the host as host.internal. Signals are passed on to the program,
and its exit status is that of cnm run. For a program that runs as root this is no security boundary.

Examples:
  cnm run -- ip address
  cnm run --network web --name api -- node server.js
  cnm run -p 8080:80 -p 127.0.0.1:9090:9090 -- node server.js
  cnm run --network web --network db --ip 10.7.0.5 -- bash
  cnm run --network web --hostname db1 --alias db -- postgres
  cnm run --network web --dns 10.7.0.53 --dns-search example.org --add-host old:10.7.0.9 -- curl http://api/`,
    )
    .action(guarded(run))
}

function withNetworkOptions(command: Command): Command {
  return command
    .option('--name <name>', 'name of the sandbox')
    .option(
      '--network <network>',
      'network to be on, by name or whole id; may be repeated (default: "bridge")',
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
    .option('--rate-in <rate>', 'most that gets to the program by the first network: 100mbit')
    .option('--rate-out <rate>', 'most that it sends by the first network')
    .option(
      '--gw-priority <number>',
      'of the first network: the highest has the default route (default: 1 with ports, else 0)',
      wholeNumber,
    )
}

function withNameOptions(command: Command): Command {
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
      'line for its hosts file: db:10.7.0.9, gate:host-gateway; may be repeated',
      collect,
      [],
    )
    .option('--mount-etc', 'show it hosts, resolv.conf and hostname of its own in /etc (default)')
    .option('--no-mount-etc', "leave it those of the host, and the host's hostname")
}

async function run(argv: readonly string[], flags: Flags): Promise<number> {
  const [command, ...rest] = argv
  if (command === undefined) throw new CnmError('INVALID_ARGUMENT', 'no command was given')
  const signals = new SignalRelay()
  try {
    return await runInSandbox([command, ...rest], flags, signals)
  } catch (error) {
    if (signals.early === undefined || !isCnmError(error, 'CANCELLED')) throw error
    return 128 + constants.signals[signals.early]
  } finally {
    // Not before all is cleaned up: another signal would end that half-way.
    signals.stop()
  }
}

async function runInSandbox(
  argv: readonly [string, ...string[]],
  flags: Flags,
  signals: SignalRelay,
): Promise<number> {
  await using cnm = await createController(engineOptions(flags))
  await using box = await makeSandbox(cnm, flags, signals.signal)
  throwIfAborted(signals.signal, `starting ${argv[0]}`)
  const { mountEtc = true, json = false } = flags
  if (mountEtc && !json && box.inspect().files !== undefined) warnOfNoNames()
  const program = await box.spawn(argv, { stdio: 'inherit', mountEtc })
  signals.relayTo(program)
  const { code, signal } = await program.ended
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
}

/** There is nothing that the sandbox's own could be seen in place of. */
function warnOfNoNames(): void {
  if (existsSync('/etc/resolv.conf')) return
  process.stderr.write(
    'cnm: this host has no /etc/resolv.conf, so the program finds no names; an empty file is enough\n',
  )
}

async function makeSandbox(cnm: Controller, flags: Flags, signal: AbortSignal): Promise<Sandbox> {
  const names = flags.network.length === 0 ? ['bridge'] : flags.network
  const networks: Network[] = []
  const made: Network[] = []
  try {
    for (const [index, name] of names.entries()) {
      const there = findNetwork(cnm, name)
      const ipv6 = index === 0 && flags.ip6 !== undefined ? { ipv6: true } : {}
      const network = there ?? (await cnm.createNetwork({ name, ephemeral: true, ...ipv6, signal }))
      if (there === undefined) made.push(network)
      networks.push(network)
    }
    return await cnm.createSandbox({
      ephemeral: true,
      host: networks.some(({ name }) => name === 'host'),
      ...(flags.name === undefined ? {} : { name: flags.name }),
      ...nameOptions(flags),
      connect: networks.map(({ id }, index) => ({
        network: id,
        aliases: flags.alias,
        ...(index === 0 ? firstOptions(flags) : {}),
      })),
      signal,
    })
  } catch (error) {
    for (const network of made) await network.delete().catch(ignoreGone)
    throw error
  }
}

/** An ephemeral network goes by itself with an endpoint that failed. */
function ignoreGone(error: unknown): void {
  if (!isCnmError(error, 'NETWORK_NOT_FOUND')) throw error
}

/** By name or whole id. The beginning of an id won't do: `cafe` and `db` are names. */
function findNetwork(cnm: Controller, wanted: string): Network | undefined {
  return cnm.networks().find(({ id, name }) => name === wanted || id === wanted)
}

/** What isn't given isn't said at all: the host's own stack takes none of it. */
function nameOptions(flags: Flags): SandboxOptions {
  const { hostname, dns, dnsSearch, dnsOption, addHost } = flags
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(dns.length === 0 ? {} : { dns }),
    ...(dnsSearch.length === 0 ? {} : { dnsSearch }),
    ...(dnsOption.length === 0 ? {} : { dnsOptions: dnsOption }),
    ...(addHost.length === 0 ? {} : { extraHosts: addHost }),
  }
}

/** What belongs to one endpoint only is that of the first network. */
function firstOptions(flags: Flags): Partial<ConnectOptions> {
  const { ip, ip6, publish, expose, publishAll = false, rateIn, rateOut } = flags
  const hasPorts = publish.length > 0 || publishAll
  // What is published is passed on only where the default route is.
  const gwPriority = flags.gwPriority ?? (hasPorts ? 1 : 0)
  const rate = {
    ...(rateIn === undefined ? {} : { toSandbox: rateIn }),
    ...(rateOut === undefined ? {} : { fromSandbox: rateOut }),
  }
  return {
    ...(ip === undefined ? {} : { ip }),
    ...(ip6 === undefined ? {} : { ip6 }),
    ...(Object.keys(rate).length === 0 ? {} : { rate }),
    gwPriority,
    publish,
    expose,
    publishAll,
  }
}

function wholeNumber(text: string): number {
  if (/^-?\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is no whole number.')
}
