import { once } from 'node:events'
import { Command, InvalidArgumentError } from 'commander'
import type { CnmEvent } from '../api/reports.ts'
import { shortId } from '../base/id.ts'
import { type Filters, filterOf } from './arguments/filters.ts'
import { collect } from './arguments/option-values.ts'
import { type ClientFlags, withClientOptions, withDaemon } from './client.ts'
import { guarded } from './output/fail.ts'
import { dim } from './output/output.ts'
import { relaying } from './run/signal-relay.ts'

interface Flags extends ClientFlags {
  readonly since?: number
  readonly filter: readonly string[]
}

export function eventsCommand(): Command {
  return withClientOptions(new Command('events'))
    .description('print what happens, a line each, until it is interrupted')
    .option('--since <number>', 'what came after that number, too, as far as it is kept', sequence)
    .option(
      '--filter <filter>',
      'only those with type=, action=, name=, id=, network= or sandbox=; may be repeated',
      collect,
      [],
    )
    .addHelpText(
      'after',
      `
Examples:
  cnm events
  cnm events --filter type=endpoint --filter action=join
  cnm events --json --since 0 | jq -r '.name'`,
    )
    .action(guarded(events))
}

function sequence(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is no number of an event.')
}

const filters: Filters<CnmEvent> = {
  type: ({ type }, text) => type === text,
  action: ({ action }, text) => action === text,
  name: ({ name }, text) => name === text,
  id: ({ id }, text) => id.startsWith(text),
  network: ({ type, id, name, attributes }, text) => {
    const own = type === 'network' ? [id, name] : []
    return [...own, attributes.network, attributes.networkId].includes(text)
  },
  sandbox: ({ type, id, name, attributes }, text) => {
    const own = type === 'sandbox' ? [id, name] : []
    return [...own, attributes.sandbox, attributes.sandboxId].includes(text)
  },
}

async function events(flags: Flags): Promise<number> {
  const isWanted = filterOf(flags.filter, filters)
  return relaying(async ({ signal }) =>
    withDaemon(flags, async (cnm) => {
      const { since } = flags
      const stream = await cnm.events({ signal, ...(since === undefined ? {} : { since }) })
      for await (const event of stream) {
        if (!isWanted(event)) continue
        await write(flags.json ? JSON.stringify(event) : eventText(event), signal)
      }
    }),
  )
}

/** A slow reader is waited for, until a signal comes. */
async function write(line: string, signal: AbortSignal): Promise<void> {
  if (process.stdout.write(`${line}\n`)) return
  await once(process.stdout, 'drain', { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}

function eventText({ time, type, action, id, name, attributes }: CnmEvent): string {
  // Ids beside names are for programs.
  const shown = Object.entries(attributes).filter(([key]) => !key.endsWith('Id'))
  const more = shown.map(([key, value]) => `${key}=${value}`)
  const words = [dim(time), type, action, name, dim(shortId(id)), ...more]
  return words.join(' ')
}
