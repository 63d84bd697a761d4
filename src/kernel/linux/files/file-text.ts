import { parseAddress } from '../../../address/address.ts'
import type { HostsEntryResource } from '../../resource.ts'

/**
 * Texts as they are in files: one character for each byte, so that nothing that others have written is
 * changed by reading it.
 */
export function fileText(content: string): string {
  return Buffer.from(content).toString('latin1')
}

export type HostsEntry = Pick<HostsEntryResource, 'address' | 'names'>

/** Without some lines, and with others behind all else where they aren't there yet. */
export function changeEntries(
  text: string,
  remove: readonly HostsEntry[],
  add: readonly HostsEntry[],
): string {
  let changed = text
  for (const entry of remove) {
    const line = lineOf(entry)
    const at = placeOf(changed, line)
    if (at >= 0) changed = changed.slice(0, at) + changed.slice(at + line.length + 1)
  }
  for (const entry of add) {
    const line = lineOf(entry)
    if (placeOf(changed, line) < 0) changed = `${whole(changed)}${line}\n`
  }
  return changed
}

export function hasEntry(text: string, entry: HostsEntry): boolean {
  return placeOf(text, lineOf(entry)) >= 0
}

/**
 * What was written at first in place of what was written before it, with the entries that have come
 * since; undefined: others have changed it.
 */
export function replaceContent(text: string, before: string, after: string): string | undefined {
  const [from, to] = [fileText(before), fileText(after)]
  if (text === from) return to
  const start = whole(from)
  if (!text.startsWith(start)) return undefined
  const entries = text.slice(start.length)
  return entries.trimEnd().split('\n').every(isEntry) ? whole(to) + entries : undefined
}

function lineOf({ address, names }: HostsEntry): string {
  return fileText(`${address}\t${names.join(' ')}`)
}

/** Where that line begins, the last one if there are several; -1: nowhere. */
function placeOf(text: string, line: string): number {
  for (let at = text.lastIndexOf(line); at >= 0; at = before(text, line, at)) {
    const end = at + line.length
    if ((at === 0 || text[at - 1] === '\n') && (end === text.length || text[end] === '\n'))
      return at
  }
  return -1
}

function before(text: string, line: string, at: number): number {
  return at === 0 ? -1 : text.lastIndexOf(line, at - 1)
}

/** With its last line ended. */
function whole(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

/** Whether we may have written it. */
function isEntry(line: string): boolean {
  const [address = '', names = '', ...more] = line.split('\t')
  if (more.length > 0 || !/^\S+( \S+)*$/.test(names)) return false
  try {
    return parseAddress(address) === address
  } catch {
    return false
  }
}
