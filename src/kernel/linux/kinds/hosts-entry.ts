import { type HostsEntryResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Plan } from '../apply/plan.ts'
import type { Comparison } from '../compare/comparison.ts'
import { type Finding, missing } from '../compare/finding.ts'
import { changeEntries, hasEntry } from '../files/file-text.ts'
import { isSomethingAt, readText } from '../files/text-file.ts'
import { rewrite, settledFiles } from './file.ts'
import type { Kind } from './kind.ts'

export const hostsEntry: Kind<'hosts-entry'> = {
  apply: { write },
  compare,
}

/** All lines of hosts files that stay. */
function write(context: ApplyContext): void {
  const { transaction, machinery, plan } = context
  const settled = context.once(settledFiles)
  for (const [path, { gone, come }] of entriesByPath(plan)) {
    if (settled.has(path)) continue
    const [first] = [...come, ...gone]
    const work = () => rewrite(transaction, path, (text) => changeEntries(text, gone, come))
    transaction.attempt(resourceKey(first!), () =>
      machinery.hindrances.attempt(path, 'written', work),
    )
  }
}

interface Entries {
  readonly gone: HostsEntryResource[]
  readonly come: HostsEntryResource[]
}

function entriesByPath({ remove, add }: Plan): ReadonlyMap<string, Entries> {
  const paths = new Map<string, Entries>()
  const at = (path: string): Entries => {
    const known = paths.get(path)
    if (known !== undefined) return known
    const entries = { gone: [], come: [] }
    paths.set(path, entries)
    return entries
  }
  for (const entry of remove.of('hosts-entry')) at(entry.path).gone.push(entry)
  for (const entry of add.of('hosts-entry')) at(entry.path).come.push(entry)
  return paths
}

function compare(comparison: Comparison, entry: HostsEntryResource): Finding {
  const { path, address, names } = entry
  const text = readText(path)
  // With a file of ours its lines are gone; of any other file they are not missing.
  const isWanted = comparison.once(ourFiles).has(path)
  const isFine = text === undefined ? !isWanted || isSomethingAt(path) : hasEntry(text, entry)
  return isFine ? undefined : missing(`no line "${address} ${names.join(' ')}" in ${path}`)
}

function ourFiles({ resources }: Comparison): ReadonlySet<string> {
  return new Set(resources.flatMap((it) => (it.kind === 'file' ? [it.path] : [])))
}
