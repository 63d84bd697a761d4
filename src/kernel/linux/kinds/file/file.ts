import { dirname } from 'node:path'
import { type FileResource, type HostsEntryResource, resourceKey } from '../../../resource.ts'
import type { Plan, Sorted } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { changeEntries, fileText, replaceContent } from '../../files/file-text.ts'
import type { Hindrances } from '../../files/hindrances.ts'
import {
  createFirstText,
  createText,
  isSomethingAt,
  makeFolders,
  removeFolderIfEmpty,
  removeText,
  rewriteText,
} from '../../files/text-file.ts'

/**
 * Files for programs of sandboxes that come or change, and all lines of hosts files that stay. What a
 * sandbox has done to its files, or a full file system, stops nothing: `hindrances` tells.
 */
export function changeFiles(
  transaction: Transaction,
  hindrances: Hindrances,
  { add, remove, before }: Plan,
): void {
  // What is written as it shall be, or goes.
  const done = new Set(remove.files.map(({ path }) => path))
  // There is nothing in them.
  const folders = new Set<string>()
  const attempt = (key: string, path: string, work: () => void) =>
    transaction.attempt(key, () => hindrances.attempt(path, 'written', work))
  for (const file of add.files) {
    const { path, content } = file
    const key = resourceKey(file)
    const was = before.get(key) as FileResource | undefined
    attempt(key, path, () => {
      const folder = dirname(path)
      if (!folders.has(folder) && makeFolder(transaction, folder)) folders.add(folder)
      if (folders.has(folder) || !isSomethingAt(path)) {
        // One that can't be made has no lines to be changed, either.
        done.add(path)
        make(transaction, file, add, folders.has(folder) ? createFirstText : createText)
      } else if (was !== undefined) {
        rewrite(transaction, path, (text) => replaceContent(text, was.content, content))
      }
    })
  }
  for (const [path, { gone, come }] of entriesByPath(remove, add)) {
    if (done.has(path)) continue
    const [first] = [...come, ...gone]
    attempt(resourceKey(first!), path, () => {
      rewrite(transaction, path, (text) => changeEntries(text, gone, come))
    })
  }
}

/**
 * Files that go, and their folders with the last of them. To be done as late as possible: one that is
 * put back is another than the one that is mounted somewhere, and has not what others have put there.
 */
export function removeFiles(
  transaction: Transaction,
  hindrances: Hindrances,
  { remove }: Plan,
): void {
  const folders = new Map<string, string>()
  const attempt = (key: string, path: string, work: () => void) =>
    transaction.attempt(key, () => hindrances.attempt(path, 'removed', work))
  for (const file of remove.files) {
    const { path, content } = file
    const key = resourceKey(file)
    attempt(key, path, () => {
      const removed = removeText(path)
      if (removed === undefined) return
      const { text = fileText(content) } = removed
      transaction.onRollback(() => createText(path, text))
      folders.set(dirname(path), key)
    })
  }
  for (const [folder, key] of folders) {
    attempt(key, folder, () => {
      if (removeFolderIfEmpty(folder)) transaction.onRollback(() => makeFolders(folder))
    })
  }
}

/** Whether it wasn't there. */
function makeFolder(transaction: Transaction, path: string): boolean {
  const made = makeFolders(path)
  for (const folder of made) transaction.onRollback(() => removeFolderIfEmpty(folder))
  return made.length > 0
}

/** With the lines that come with it. */
function make(
  transaction: Transaction,
  { path, content }: FileResource,
  { hostsEntries }: Sorted,
  create: (path: string, text: string) => void,
): void {
  const entries = hostsEntries.filter((it) => it.path === path)
  create(path, changeEntries(fileText(content), [], entries))
  transaction.onRollback(() => removeText(path))
}

function rewrite(
  transaction: Transaction,
  path: string,
  change: (text: string) => string | undefined,
): void {
  let written: string | undefined
  const before = rewriteText(path, (text) => {
    written = change(text)
    return written
  })
  if (before === undefined) return
  // Not if somebody has written into it meanwhile.
  transaction.onRollback(() => rewriteText(path, (it) => (it === written ? before : undefined)))
}

interface Entries {
  readonly gone: HostsEntryResource[]
  readonly come: HostsEntryResource[]
}

function entriesByPath(remove: Sorted, add: Sorted): ReadonlyMap<string, Entries> {
  const paths = new Map<string, Entries>()
  const at = (path: string): Entries => {
    const known = paths.get(path)
    if (known !== undefined) return known
    const entries = { gone: [], come: [] }
    paths.set(path, entries)
    return entries
  }
  for (const entry of remove.hostsEntries) at(entry.path).gone.push(entry)
  for (const entry of add.hostsEntries) at(entry.path).come.push(entry)
  return paths
}
