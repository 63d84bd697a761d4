import { Command, type CommanderError } from 'commander'
import { usageErrorOf } from './output/fail.ts'
import { printLine } from './output/output.ts'
import { ownVersion } from './own-version.ts'

/** Each is loaded when it is needed: reading the code of all of them takes longer than most take to run. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run/run.ts')).runCommand(),
  network: async () => (await import('./network/network.ts')).networkCommand(),
  sandbox: async () => (await import('./sandbox/sandbox.ts')).sandboxCommand(),
  endpoint: async () => (await import('./endpoint/endpoint.ts')).endpointCommand(),
  plugin: async () => (await import('./plugin/plugin.ts')).pluginCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  events: async () => (await import('./events.ts')).eventsCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  down: async () => (await import('./down.ts')).downCommand(),
  daemon: async () => (await import('./daemon.ts')).daemonCommand(),
  keeper: async () => (await import('./keeper.ts')).keeperCommand(),
  'oci-spec': async () => (await import('./oci/oci-spec.ts')).ociSpecCommand(),
  'oci-hook': async () => (await import('./oci/oci-hook.ts')).ociHookCommand(),
  demo: async () => (await import('./demo/demo.ts')).demoCommand(),
  version: async () => (await import('./version.ts')).versionCommand(),
  completion: async () => (await import('./help/completion.ts')).completionCommand(),
}

/** For shells and for the build. */
const hidden: typeof commands = {
  __complete: async () => (await import('./help/complete.ts')).completeCommand(program),
  __man: async () => (await import('./help/man.ts')).manCommand(program),
}

/**
 * The command tree, from which help, completions and man pages come; if `only` is the name of a command,
 * with that one alone.
 */
export async function program(only = ''): Promise<Command> {
  const root = new Command('cnm')
  root
    .description('Container networking: networks, sandboxes and endpoints on this host')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({ outputError: usageErrorOf('cnm') })
    .configureHelp({ sortSubcommands: true, optionDescription: ({ description }) => description })
    .exitOverride(exitOn)
    .option('-v, --version', 'print the version of this command')
    .on('option:version', () => {
      printLine(`cnm ${ownVersion()}`)
      process.exit(0)
    })
  const isHidden = Object.hasOwn(hidden, only)
  const known = isHidden ? hidden : commands
  const load = Object.hasOwn(known, only) ? known[only] : undefined
  const loaders = load === undefined ? Object.values(commands) : [load]
  for (const command of await Promise.all(loaders.map((load) => load()))) {
    root.addCommand(command, { hidden: isHidden })
  }
  settle(root)
  return root
}

/** What holds for the root holds for all below it. */
function settle(parent: Command, path = parent.name()): void {
  for (const command of parent.commands) {
    const own = `${path} ${command.name()}`
    command.copyInheritedSettings(parent).configureOutput({ outputError: usageErrorOf(own) })
    settle(command, own)
  }
}

/** Usage errors end with 2, help with 0; what they say was printed already. */
function exitOn(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? 0 : 2)
}
