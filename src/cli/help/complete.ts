import { Command } from 'commander'
import { candidates } from '../arguments/candidates.ts'
import { printLine } from '../output/output.ts'

/** After Tab the user waits no longer than this for a daemon that doesn't answer. */
const patienceMs = 2000

/** What the scripts ask. It never fails: a shell has no place to say so. */
export function completeCommand(program: () => Promise<Command>): Command {
  return new Command('__complete')
    .argument('[words...]', 'the command line up to the cursor, the last word perhaps empty')
    .passThroughOptions()
    .action(async (words: readonly string[]) => {
      setTimeout(() => process.exit(0), patienceMs).unref()
      const found = await candidates(await program(), words).catch(() => [])
      for (const { word, description } of found) printLine(`${word}\t${description}`)
    })
}
