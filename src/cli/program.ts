import { Command, type CommanderError } from 'commander'
import { demoCommand } from './demo.ts'
import { doctorCommand } from './doctor.ts'
import { runCommand } from './run.ts'
import { versionCommand } from './version.ts'

/** The command tree. Help and completions come from here. */
export function program(): Command {
  const root = new Command('cnm')
  root
    .description('Container networking: networks, sandboxes and endpoints on this host')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'cnm: ')) })
    .configureHelp({ sortSubcommands: true })
    .exitOverride(exitOn)
  for (const command of [runCommand(), demoCommand(), doctorCommand(), versionCommand()]) {
    root.addCommand(command.exitOverride(exitOn).copyInheritedSettings(root))
  }
  return root
}

/** Usage errors end with 2, help with 0; what they say was printed already. */
function exitOn(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? 0 : 2)
}
