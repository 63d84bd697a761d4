import { constants } from 'node:os'
import { Command } from 'commander'
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
    .option('--json', 'errors as JSON')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
A network that doesn't exist is made, and goes with its last sandbox. "none" is no network, "host" the
host's own. Signals are passed on to the program, and its exit status is that of cnm run.
For a program that runs as root this is no security boundary.

Examples:
  cnm run -- ip address
  cnm run --network web --name api -- node server.js
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
        ...(index === 0 ? addressesOf(flags) : {}),
      })),
      signal,
    })
  } catch (error) {
    for (const network of made) await network.delete()
    throw error
  }
}

/** By name or whole id. The beginning of an id won't do: `cafe` and `db` are names. */
function findNetwork(cnm: Controller, wanted: string): Network | undefined {
  return cnm.networks().find(({ id, name }) => name === wanted || id === wanted)
}

function addressesOf({ ip, ip6 }: Flags): Pick<ConnectOptions, 'ip' | 'ip6'> {
  return { ...(ip === undefined ? {} : { ip }), ...(ip6 === undefined ? {} : { ip6 }) }
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
