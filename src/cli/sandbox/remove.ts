import { Command } from 'commander'
import { isCnmError } from '../../base/errors.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../fail.ts'
import { eachOf } from '../several.ts'

export function removeCommand(): Command {
  return withClientOptions(new Command('rm'))
    .alias('remove')
    .description('remove sandboxes with their endpoints; what was adopted stays, without our links')
    .argument('<sandbox...>', 'names, ids or beginnings of ids')
    .option('-f, --force', 'one that is not there is no error')
    .addHelpText('after', '\nExamples:\n  cnm sandbox rm api db')
    .action(guarded(remove))
}

async function remove(
  names: readonly string[],
  flags: ClientFlags & { readonly force?: boolean },
): Promise<number> {
  return withDaemon(flags, (cnm) =>
    eachOf(names, flags, async (name) => {
      try {
        await (await cnm.sandbox(name)).delete()
      } catch (error) {
        if (!flags.force || !isCnmError(error, 'SANDBOX_NOT_FOUND')) throw error
      }
    }),
  )
}
