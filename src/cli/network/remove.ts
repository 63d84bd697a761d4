import { Command } from 'commander'
import { isCnmError } from '../../base/errors.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../fail.ts'
import { eachOf } from '../several.ts'

export function removeCommand(): Command {
  return withClientOptions(new Command('rm'))
    .alias('remove')
    .description('remove networks')
    .argument('<network...>', 'names, ids or beginnings of ids')
    .option('-f, --force', 'with their endpoints; one that is not there is no error')
    .addHelpText(
      'after',
      `
Examples:
  cnm network rm web back
  cnm network rm --force web`,
    )
    .action(guarded(remove))
}

async function remove(
  names: readonly string[],
  flags: ClientFlags & { readonly force?: boolean },
): Promise<number> {
  const { force = false } = flags
  return withDaemon(flags, (cnm) =>
    eachOf(names, flags, async (name) => {
      try {
        await (await cnm.network(name)).delete({ force })
      } catch (error) {
        if (!force || !isCnmError(error, 'NETWORK_NOT_FOUND')) throw error
      }
    }),
  )
}
