import { resolveImport, type SourceTree } from './source-tree.ts'

// The formatter puts every import and export at the start of a line, so no parser is needed.
const fromOther =
  /^(import|export)\s+(?:type\s+)?(?:(\{[^}]*\})|\*(?:\s+as\s+([\w$]+))?)\s*from\s*'([^']+)'/gm
const declared =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\*?|class|const|let|interface|type|enum)\s+([\w$]+)/gm
const listed = /^export\s+(?:type\s+)?(\{[^}]*\})(?!\s*from)/gm
const dynamic = /\bimport\(\s*'([^']+)'\s*\)(?:\.([A-Z]\w*))?/g

interface Exports {
  readonly own: ReadonlySet<string>
  /** By the name it has here. */
  readonly passedOn: ReadonlyMap<string, { readonly file: string; readonly name: string }>
  /** `export * from` */
  readonly all: readonly string[]
}

/**
 * Exports of files in src/ that no file imports: `src/a.ts: name`. Users are all files of `everything`, other
 * than the file itself; of `entries`, everything is used.
 */
export function unusedExports(everything: SourceTree, entries: readonly string[]): string[] {
  const shipped = [...everything].filter(([path]) => path.startsWith('src/'))
  const exports = new Map(shipped.map(([path, text]) => [path, exportsOf(path, text)]))
  const used = new Set<string>()

  const use = (file: string, name: string): void => {
    const { own, passedOn, all } = exports.get(file) ?? none
    const key = `${file}: ${name}`
    if (used.has(key)) return
    used.add(key)
    if (own.has(name)) return
    const other = passedOn.get(name)
    if (other !== undefined) use(other.file, other.name)
    else for (const each of all) use(each, name)
  }
  const useAll = (file: string): void => {
    const { own, passedOn, all } = exports.get(file) ?? none
    for (const name of [...own, ...passedOn.keys()]) use(file, name)
    for (const each of all) useAll(each)
  }

  for (const entry of entries) useAll(entry)
  for (const [path, text] of everything) {
    for (const [, verb, names, namespace, specifier] of text.matchAll(fromOther)) {
      const file = fileOf(path, specifier!)
      if (file === undefined || verb === 'export') continue
      if (names !== undefined) for (const { name } of namesIn(names)) use(file, name)
      if (namespace === undefined) continue
      for (const [, name] of text.matchAll(new RegExp(`\\b${namespace}\\.([\\w$]+)`, 'g'))) {
        use(file, name!)
      }
    }
    for (const [, specifier, name] of text.matchAll(dynamic)) {
      const file = fileOf(path, specifier!)
      if (file === undefined) continue
      if (name === undefined) useAll(file)
      else use(file, name)
    }
  }
  return [...exports].flatMap(([path, { own, passedOn }]) =>
    [...own, ...passedOn.keys()]
      .map((name) => `${path}: ${name}`)
      .filter((what) => !used.has(what))
      .sort(),
  )
}

const none: Exports = { own: new Set(), passedOn: new Map(), all: [] }

function exportsOf(path: string, text: string): Exports {
  const own = new Set([...text.matchAll(declared)].map(([, name]) => name!))
  for (const [, names] of text.matchAll(listed)) {
    for (const { as } of namesIn(names!)) own.add(as)
  }
  const passedOn = new Map<string, { readonly file: string; readonly name: string }>()
  const all: string[] = []
  for (const [, verb, names, namespace, specifier] of text.matchAll(fromOther)) {
    const file = fileOf(path, specifier!)
    if (verb !== 'export' || file === undefined) continue
    if (names !== undefined) {
      for (const { name, as } of namesIn(names)) passedOn.set(as, { file, name })
    } else if (namespace === undefined) all.push(file)
    else own.add(namespace)
  }
  return { own, passedOn, all }
}

/** `{ type a, b as c }` */
function namesIn(braces: string): { name: string; as: string }[] {
  return braces
    .slice(1, -1)
    .split(',')
    .map((text) => text.trim().replace(/^type\s+/, ''))
    .filter((text) => text !== '')
    .map((text) => {
      const [name, as] = text.split(/\s+as\s+/)
      return { name: name!, as: as ?? name! }
    })
}

/** What tests and benchmarks take from dist/ is made of src/. */
function fileOf(path: string, specifier: string): string | undefined {
  const [, built] = /^(?:#dist|(?:\.\.\/)+dist)\/(.*)\.js$/.exec(specifier) ?? []
  if (built !== undefined) return `src/${built}.ts`
  return resolveImport(path, specifier)
}
