import { Command } from 'commander'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../fail.ts'
import { eachOf } from '../several.ts'
import { endpointArgument, findEndpoint, isMissing } from './find.ts'

export function removeCommand(): Command {
  return withClientOptions(new Command('rm'))
    .alias('remove')
    .description('remove endpoints; they leave their sandboxes first')
    .argument('<endpoint...>', endpointArgument)
    .option('-f, --force', 'one that is not there is no error')
    .addHelpText('after', '\nExamples:\n  cnm endpoint rm web/db')
    .action(guarded(remove))
}

async function remove(
  names: readonly string[],
  flags: ClientFlags & { readonly force?: boolean },
): Promise<number> {
  return withDaemon(flags, (cnm) =>
    eachOf(names, flags, async (name) => {
      try {
        await (await findEndpoint(cnm, name)).delete()
      } catch (error) {
        if (!flags.force || !isMissing(error)) throw error
      }
    }),
  )
}
