import { Command } from 'commander'
import { isCnmError } from '../../base/errors.ts'
import type { Controller } from '../../client/client.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded, report } from './fail.ts'
import { printJson, printPretty } from './output.ts'

const plurals = {
  network: 'networks',
  sandbox: 'sandboxes',
  endpoint: 'endpoints',
  plugin: 'plugins',
} as const

/** `inspect` is the same for all sorts of things. */
export function inspectCommandOf(
  sort: keyof typeof plurals,
  examples: string,
  inspect: (cnm: Controller, name: string) => Promise<unknown>,
): Command {
  return withClientOptions(new Command('inspect'))
    .description(`print all that is known of ${plurals[sort]}, as JSON`)
    .argument(`<${sort}...>`, 'names, ids or beginnings of ids')
    .addHelpText('after', `\nExamples:\n${examples}`)
    .action(
      guarded((names: readonly string[], flags: ClientFlags) =>
        withDaemon(flags, (cnm) => inspectAll(cnm, names, flags, inspect)),
      ),
    )
}

/** What there is is printed, whatever isn't. */
async function inspectAll(
  cnm: Controller,
  names: readonly string[],
  { json = false }: ClientFlags,
  inspect: (cnm: Controller, name: string) => Promise<unknown>,
): Promise<number> {
  const found: unknown[] = []
  let status = 0
  for (const name of names) {
    try {
      found.push(await inspect(cnm, name))
    } catch (error) {
      if (isCnmError(error, 'DAEMON_UNREACHABLE')) throw error
      const code = report(error, json)
      status ||= code
    }
  }
  if (json) printJson(found)
  else printPretty(found)
  return status
}
