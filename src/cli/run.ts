import { constants } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { CnmError, isCnmError, throwIfAborted } from '../base/errors.ts'
import {
  type ConnectOptions,
  type Controller,
  createController,
  type Network,
  type Program,
  type Sandbox,
} from '../linux.ts'
import { type EngineFlags, engineOptions, withEngineOptions } from './engine-options.ts'
import { guarded } from './fail.ts'

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
  readonly json?: boolean
}

const collect = (value: string, all: readonly string[]) => [...all, value]

export function runCommand(): Command {
  return withEngineOptions(new Command('run'))
    .description('run a program with a network of its own')
    .argument('<command...>', 'the program and its arguments')
    .option('--name <name>', 'name of the sandbox')
    .option(
      '--network <network>',
      'network to be on, by name or whole id; may be repeated (default: "bridge")',
      collect,
      [],
    )
    .option('--alias <name>', 'another name on its networks; may be repeated', collect, [])
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
    .option('--json', 'errors as JSON')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
A network that doesn't exist is made, and goes with its last sandbox. "none" is no network, "host" the
host's own. Ports are published on the first network, which has the default route then. Signals are passed on to the program, and its exit status is that of cnm run.
For a program that runs as root this is no security boundary.

Examples:
  cnm run -- ip address
  cnm run --network web --name api -- node server.js
  cnm run -p 8080:80 -p 127.0.0.1:9090:9090 -- node server.js
  cnm run --network web --network db --ip 10.7.0.5 -- bash`,
    )
    .action(guarded(run))
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
  const program = await box.spawn(argv, { stdio: 'inherit' })
  signals.relayTo(program)
  const { code, signal } = await program.ended
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
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

/**
 * Passes signals on to the program; one that comes before it is being started cancels that. What a
 * terminal sends (Ctrl-C) reaches the program by itself.
 */
class SignalRelay {
  readonly #signals: readonly NodeJS.Signals[] = [
    'SIGINT',
    'SIGQUIT',
    'SIGTERM',
    'SIGHUP',
    'SIGUSR2',
  ]
  readonly #abort = new AbortController()
  /** The first one that came before there was a program. */
  early: NodeJS.Signals | undefined
  #program: Program | undefined

  constructor() {
    for (const signal of this.#signals) process.on(signal, this.#receive)
  }

  /** Fires with the first signal that comes before there is a program. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  relayTo(program: Program): void {
    this.#program = program
    if (this.early !== undefined) program.kill(this.early)
  }

  stop(): void {
    for (const signal of this.#signals) process.off(signal, this.#receive)
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    const fromTerminal = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
    if (this.#program === undefined) {
      this.early ??= signal
      this.#abort.abort()
    } else if (!fromTerminal) this.#program.kill(signal)
  }
}
