import type { Difference } from '../../../kernel.ts'
import type { FileResource, HostsEntryResource } from '../../../resource.ts'
import { hasEntry } from '../../files/file-text.ts'
import { isSomethingAt, readText } from '../../files/text-file.ts'

type Finding = Omit<Difference, 'resource'> | undefined

/** What is in it is everybody's business. */
export function compareFile({ path }: FileResource): Finding {
  return isSomethingAt(path) ? undefined : { state: 'missing', detail: `no file ${path}` }
}

/** `isWanted`: that file is ours. */
export function compareHostsEntry(entry: HostsEntryResource, isWanted: boolean): Finding {
  const { path, address, names } = entry
  const text = readText(path)
  // With a file of ours its lines are gone; of any other file they are not missing.
  const isFine = text === undefined ? !isWanted || isSomethingAt(path) : hasEntry(text, entry)
  if (isFine) return undefined
  return { state: 'missing', detail: `no line "${address} ${names.join(' ')}" in ${path}` }
}
