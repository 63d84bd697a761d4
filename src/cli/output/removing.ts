import { Command } from 'commander'
import type { Controller } from '../../client/client.ts'
import { eachOf } from '../arguments/several.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from './fail.ts'

interface Removing {
  readonly description: string
  /** `<network...>`, and what it is named by. */
  readonly argument: readonly [string, string]
  /** What `--force` does. */
  readonly force: string
  readonly examples: string
  remove(cnm: Controller, name: string, force: boolean): Promise<void>
  /** With `--force` that is no error. */
  isMissing(error: unknown): boolean
}

/** `rm` is the same for all sorts of things. */
export function removeCommandOf(removing: Removing): Command {
  const { description, argument, force, examples } = removing
  return withClientOptions(new Command('rm'))
    .alias('remove')
    .description(description)
    .argument(...argument)
    .option('-f, --force', force)
    .addHelpText('after', `\nExamples:\n${examples}`)
    .action(guarded((names: readonly string[], flags: Flags) => remove(removing, names, flags)))
}

interface Flags extends ClientFlags {
  readonly force?: boolean
}

async function remove(
  { remove, isMissing }: Removing,
  names: readonly string[],
  flags: Flags,
): Promise<number> {
  const { force = false } = flags
  return withDaemon(flags, (cnm) =>
    eachOf(names, flags, async (name) => {
      try {
        await remove(cnm, name, force)
        return true
      } catch (error) {
        if (!force || !isMissing(error)) throw error
        return false
      }
    }),
  )
}
