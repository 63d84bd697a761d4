import { dirname } from 'node:path'
import { type FileResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Plan } from '../apply/plan.ts'
import type { Transaction } from '../apply/transaction.ts'
import { missing } from '../compare/finding.ts'
import { changeEntries, fileText, replaceContent } from '../files/file-text.ts'
import {
  createFirstText,
  createText,
  isSomethingAt,
  makeFolders,
  removeFolderIfEmpty,
  removeText,
  rewriteText,
} from '../files/text-file.ts'
import type { Kind } from './kind.ts'

/**
 * Files for programs of sandboxes. What a sandbox has done to its files, or a full file system, stops nothing:
 * `hindrances` tells.
 */
export const file: Kind<'file'> = {
  apply: { write, 'delete files': deleteAll },
  // What is in it may be changed by any process.
  compare: (_, { path }) => (isSomethingAt(path) ? undefined : missing(`no file ${path}`)),
}

/** Paths of files that are written as they shall be, or go: nothing in them has to be changed. */
export function settledFiles({ plan }: ApplyContext): Set<string> {
  return new Set(plan.remove.of('file').map(({ path }) => path))
}

function write(context: ApplyContext): void {
  const { transaction, machinery, plan } = context
  const settled = context.once(settledFiles)
  // There is nothing in them.
  const folders = new Set<string>()
  for (const file of plan.add.of('file')) {
    const { path, content } = file
    const key = resourceKey(file)
    const was = plan.before.get(key) as FileResource | undefined
    const work = () => {
      const folder = dirname(path)
      if (!folders.has(folder) && makeFolder(transaction, folder)) folders.add(folder)
      if (folders.has(folder) || !isSomethingAt(path)) {
        // One that can't be made has no lines to be changed, either.
        settled.add(path)
        make(transaction, file, plan, folders.has(folder) ? createFirstText : createText)
      } else if (was !== undefined) {
        rewrite(transaction, path, (text) => replaceContent(text, was.content, content))
      }
    }
    transaction.attempt(key, () => machinery.hindrances.attempt(path, 'written', work))
  }
}

/**
 * Files that go, and their folders with the last of them. As late as possible: one that is put back is another
 * than the one that is mounted somewhere, and has not what others have put there.
 */
function deleteAll({ transaction, machinery: { hindrances }, plan }: ApplyContext): void {
  const folders = new Map<string, string>()
  const attempt = (key: string, path: string, work: () => void) =>
    transaction.attempt(key, () => hindrances.attempt(path, 'removed', work))
  for (const file of plan.remove.of('file')) {
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
  { add }: Plan,
  create: (path: string, text: string) => void,
): void {
  const entries = add.of('hosts-entry').filter((it) => it.path === path)
  create(path, changeEntries(fileText(content), [], entries))
  transaction.onRollback(() => removeText(path))
}

export function rewrite(
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
  // Not if another process has written into it meanwhile.
  transaction.onRollback(() => rewriteText(path, (it) => (it === written ? before : undefined)))
}
