import { Command } from 'commander'
import { isCnmError, throwIfAborted } from '../../base/errors.ts'
import type { KnownSandbox, Sandbox } from '../../client/client.ts'
import {
  withMountOptions,
  withNameOptions,
  withNetworkOptions,
} from '../arguments/sandbox-options.ts'
import { guarded } from '../output/fail.ts'
import { type Argv, argvOf, type Starter, starter, statusOf } from './program-inside.ts'
import { bindProgram, type RunFlags, runSandbox } from './run-sandbox.ts'
import { relaying, type SignalRelay } from './signal-relay.ts'

interface Flags extends RunFlags {
  readonly host?: string
  readonly stateDir?: string
  readonly runDir?: string
  readonly mountEtc?: boolean
}

export function runCommand(): Command {
  const command = new Command('run').option('--name <name>', 'name of the sandbox')
  return withMountOptions(withNameOptions(withNetworkOptions(command, 'bridge')))
    .description('run a program with a network of its own')
    .argument('<command...>', 'the program and its arguments')
    .option('--host <socket>', "the daemon's socket; then none is started (default: CNM_HOST)")
    .option('--state-dir <dir>', 'of a daemon that is started (default: /var/lib/cnm)')
    .option('--run-dir <dir>', "the daemon's, with its socket (default: /run/cnm)")
    .option('--json', 'errors as JSON')
    .passThroughOptions()
    .addHelpText('after', more)
    .action(guarded(run))
}

const more = `
A network that doesn't exist is made, and goes with its last sandbox. "none" is no network, "host" the
host's own. Ports are published on the first network, which has the default route then. Sandboxes find
one another by name on their networks, and the host as host.internal. Signals are passed on to the program,
and its exit status is that of cnm run. If no daemon answers, one is started, which ends 30 s after the
last sandbox. For a program that runs as root this is no security boundary.

Examples:
  cnm run -- ip address
  cnm run --network web --name api -- node server.js
  cnm run -p 8080:80 -p 127.0.0.1:9090:9090 -- node server.js
  cnm run --network web --network db --ip 10.7.0.5 -- bash
  cnm run --network web --hostname db1 --alias db -- postgres
  cnm run --network web --dns 10.7.0.53 --dns-search example.org --add-host old:10.7.0.9 -- curl http://api/`

async function run(command: readonly string[], flags: Flags): Promise<number> {
  const argv = argvOf(command)
  return relaying((signals) => runInSandbox(argv, flags, signals))
}

async function runInSandbox(argv: Argv, flags: Flags, signals: SignalRelay): Promise<number> {
  await using programs = starter()
  const { daemonAt } = await import('./daemon-flags.ts')
  const cnm = await daemonAt(flags, signals.signal)
  try {
    const sandbox = await runSandbox(cnm, flags, signals.signal)
    try {
      throwIfAborted(signals.signal, `starting ${argv[0]}`)
      return await runProgram(programs, sandbox, argv, flags, signals)
    } finally {
      await removed(sandbox)
    }
  } finally {
    await cnm.close()
  }
}

async function runProgram(
  programs: Starter,
  sandbox: KnownSandbox,
  argv: Argv,
  { mountEtc = true }: Flags,
  signals: SignalRelay,
): Promise<number> {
  const program = await programs.start(sandbox.info, argv, mountEtc)
  signals.relayTo(program)
  const status = statusOf(program)
  await bindProgram(sandbox, program)
  return status
}

/** Who is gone by itself is gone; and a daemon that is away does it when it is back. */
async function removed(sandbox: Sandbox): Promise<void> {
  try {
    await sandbox.delete()
  } catch (error) {
    const isLeft =
      !isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'DAEMON_UNREACHABLE')
    if (isLeft) throw error
  }
}
