import { constants } from 'node:os'
import { Command } from 'commander'
import { CnmError, isCnmError } from '../base/errors.ts'
import {
  type ConnectOptions,
  type Controller,
  createController,
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
      'network to be on; may be repeated (default: "bridge")',
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
  await using cnm = await createController(engineOptions(flags))
  await using box = await makeSandbox(cnm, flags)
  try {
    const program = await box.spawn([command, ...rest], { stdio: 'inherit' })
    signals.relayTo(program)
    const { code, signal } = await program.ended
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
  } catch (error) {
    // As shells have it.
    if (!isCnmError(error, 'COMMAND_NOT_FOUND')) throw error
    process.stderr.write(`cnm: ${error.message}\n`)
    return 127
  } finally {
    signals.stop()
  }
}

async function makeSandbox(cnm: Controller, flags: Flags): Promise<Sandbox> {
  const names = flags.network.length === 0 ? ['bridge'] : flags.network
  const connect: ConnectOptions[] = []
  const made: string[] = []
  try {
    for (const [index, network] of names.entries()) {
      if (await ensure(cnm, network, index === 0 ? flags : {})) made.push(network)
      const first = index === 0 ? addressesOf(flags) : {}
      connect.push({ network, aliases: flags.alias, ...first })
    }
    return await cnm.createSandbox({
      ephemeral: true,
      host: names.includes('host'),
      ...(flags.name === undefined ? {} : { name: flags.name }),
      connect,
    })
  } catch (error) {
    for (const network of made) await cnm.network(network).delete()
    throw error
  }
}

/** Makes the network if it isn't there. */
async function ensure(
  cnm: Controller,
  name: string,
  { ip6 }: { readonly ip6?: string },
): Promise<boolean> {
  try {
    cnm.network(name)
    return false
  } catch (error) {
    if (!isCnmError(error, 'NETWORK_NOT_FOUND')) throw error
    await cnm.createNetwork({ name, ephemeral: true, ...(ip6 === undefined ? {} : { ipv6: true }) })
    return true
  }
}

function addressesOf({ ip, ip6 }: Flags): Pick<ConnectOptions, 'ip' | 'ip6'> {
  return { ...(ip === undefined ? {} : { ip }), ...(ip6 === undefined ? {} : { ip6 }) }
}

/**
 * Passes signals on to the program, those that come before it is there included. What a terminal
 * sends (Ctrl-C) reaches the program by itself.
 */
class SignalRelay {
  readonly #signals: readonly NodeJS.Signals[] = [
    'SIGINT',
    'SIGQUIT',
    'SIGTERM',
    'SIGHUP',
    'SIGUSR2',
  ]
  readonly #early: NodeJS.Signals[] = []
  #program: Program | undefined

  constructor() {
    for (const signal of this.#signals) process.on(signal, this.#receive)
  }

  relayTo(program: Program): void {
    this.#program = program
    for (const signal of this.#early) program.kill(signal)
  }

  stop(): void {
    for (const signal of this.#signals) process.off(signal, this.#receive)
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    const fromTerminal = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
    if (this.#program === undefined) this.#early.push(signal)
    else if (!fromTerminal) this.#program.kill(signal)
  }
}
