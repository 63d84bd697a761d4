import { Command } from 'commander'

/** A command that only has others below it. */
export function groupOf(name: string, description: string, commands: readonly Command[]): Command {
  const group = new Command(name).description(description).enablePositionalOptions()
  for (const command of commands) group.addCommand(command)
  return group
}
