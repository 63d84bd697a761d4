import { Command } from 'commander'
import { withMountOptions } from '../arguments/sandbox-options.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { argvOf, starter, statusOf } from '../run/program-inside.ts'
import { bindProgram } from '../run/run-sandbox.ts'
import { relaying } from '../run/signal-relay.ts'

export function execCommand(): Command {
  return withMountOptions(withClientOptions(new Command('exec')))
    .description('run a program in a sandbox that is there, at this terminal')
    .argument('<sandbox>', 'its name, id, or the beginning of it')
    .argument('<command...>', 'the program and its arguments')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Signals are passed on to the program, and its exit status is that of cnm.

Examples:
  cnm sandbox exec api -- ip address
  cnm sandbox exec api -- bash
  cnm sandbox exec --no-mount-etc api -- curl http://10.7.0.5/`,
    )
    .action(guarded(exec))
}

async function exec(
  name: string,
  command: readonly string[],
  flags: ClientFlags & { readonly mountEtc?: boolean },
): Promise<number> {
  // Behind the sandbox's name it is left as it is.
  const argv = argvOf(command[0] === '--' ? command.slice(1) : command)
  return relaying(async (signals) =>
    withDaemon(flags, async (cnm) => {
      await using programs = starter()
      const { signal } = signals
      const info = await cnm.sandbox(name).inspect({ signal })
      const program = await programs.start(info, argv, flags.mountEtc ?? true)
      signals.relayTo(program)
      // An ephemeral one goes with the first program in it.
      const { id, ephemeral, program: bound } = info
      if (ephemeral && bound === undefined) await bindProgram(cnm.sandbox(id), program)
      // Not before its end is the thread to be closed that it was started from.
      return await statusOf(program)
    }),
  )
}
