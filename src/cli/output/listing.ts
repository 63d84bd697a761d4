import { type Command, InvalidArgumentError } from 'commander'
import { shortId } from '../../base/id.ts'
import { collect } from '../arguments/option-values.ts'
import type { ClientFlags } from '../client.ts'
import { printJson, printLine, printTable } from './output.ts'

/** The options of every command that lists. */
export function withListOptions(command: Command, filters: string): Command {
  return command
    .option('-f, --filter <filter>', `only those with ${filters}; may be repeated`, collect, [])
    .option('-q, --quiet', 'ids only')
    .option('--no-trunc', 'whole ids')
    .option('--format <format>', 'table, or json: an object on a line each', formatOf, 'table')
}

export interface ListFlags extends ClientFlags {
  readonly filter: readonly string[]
  readonly quiet?: boolean
  readonly trunc: boolean
  readonly format: string
}

interface Column<T> {
  readonly heading: string
  readonly text: (thing: T) => string
}

/** Lists things as the flags say. The first column is the id, and not among `columns`. */
export function printList<T extends { readonly id: string }>(
  things: readonly T[],
  columns: readonly Column<T>[],
  { json, quiet, trunc, format }: ListFlags,
): void {
  const idOf = ({ id }: T) => (trunc ? shortId(id) : id)
  if (quiet) for (const thing of things) printLine(idOf(thing))
  else if (format === 'json') for (const thing of things) printJson(thing)
  else if (json) printJson(things)
  else {
    const headings = ['ID', ...columns.map(({ heading }) => heading)]
    printTable(
      headings,
      things.map((thing) => [idOf(thing), ...columns.map(({ text }) => text(thing))]),
    )
  }
}

function formatOf(text: string): string {
  if (text === 'table' || text === 'json') return text
  throw new InvalidArgumentError('Use table or json, and jq for what else you need.')
}
