import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

/** Text of source files by path below the root (`src/model/network/network.ts`). */
export type SourceTree = ReadonlyMap<string, string>

export interface Import {
  /** As written: `../base/errors.ts`, `koffi`, `node:fs`. */
  readonly specifier: string
  /** The path it leads to below the root; undefined for packages and Node's own modules. */
  readonly file: string | undefined
  /** true: nothing of it is left after compiling. */
  readonly typeOnly: boolean
  /** true: it runs as a thread or a process of its own. */
  readonly started: boolean
}

export function readTree(root: string, folders: readonly string[], ending = /\.ts$/): SourceTree {
  const tree = new Map<string, string>()
  for (const folder of folders) {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    for (const name of names.sort()) {
      if (!ending.test(name)) continue
      const path = posix.join(folder, name)
      tree.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  return tree
}

// The formatter puts every import and re-export at the start of a line, so no parser is needed.
const statement =
  /^(?:import|export)\s+(type\s+)?(?:[\w$]+\s*,?\s*)?(?:\{[^}]*\}|\*(?:\s+as\s+[\w$]+)?)?\s*from\s*'([^']+)'/gm
const bare = /^import\s+'([^']+)'/gm
const call = /\bimport\(\s*'([^']+)'\s*\)(\.[A-Z])?/g
const worker = /new URL\(\s*'(\.[^']+\.[jt]s)',\s*import\.meta\.url\s*,?\s*\)/g

export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = []
  const add = (specifier: string, typeOnly: boolean, started = false) =>
    found.push({ specifier, file: resolveImport(path, specifier), typeOnly, started })
  for (const [, type, specifier] of text.matchAll(statement)) add(specifier!, type !== undefined)
  for (const [, specifier] of text.matchAll(bare)) add(specifier!, false)
  for (const [, specifier, member] of text.matchAll(call)) add(specifier!, member !== undefined)
  for (const [, specifier] of text.matchAll(worker)) add(specifier!, false, true)
  return found
}

/** A file below the root; undefined: a package, or one of Node's own modules. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const path = posix.join(posix.dirname(from), specifier)
  // A worker is named by the file it is compiled to.
  return path.replace(/\.js$/, '.ts')
}

/** What loading a file loads: files below the root, and packages by name. */
export function reachable(tree: SourceTree, start: string): Set<string> {
  const seen = new Set<string>()
  const queue = [start]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    for (const { file, specifier, typeOnly } of importsOf(path, tree.get(path) ?? '')) {
      if (!typeOnly) queue.push(file ?? specifier)
    }
  }
  return seen
}
