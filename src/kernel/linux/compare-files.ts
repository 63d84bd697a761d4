import type { Difference } from '../kernel.ts'
import type { FileResource, HostsEntryResource } from '../resource.ts'
import { hasEntry } from './file-text.ts'
import { isSomethingAt, readText } from './text-file.ts'

type Finding = Omit<Difference, 'resource'> | undefined

/** What is in it is everybody's business. */
export function compareFile({ path }: FileResource): Finding {
  return isSomethingAt(path) ? undefined : { state: 'missing', detail: `no file ${path}` }
}

export function compareHostsEntry(entry: HostsEntryResource): Finding {
  const { path, address, names } = entry
  const text = readText(path)
  // What isn't ours there has no lines of ours.
  if (text === undefined ? isSomethingAt(path) : hasEntry(text, entry)) return undefined
  return { state: 'missing', detail: `no line "${address} ${names.join(' ')}" in ${path}` }
}
