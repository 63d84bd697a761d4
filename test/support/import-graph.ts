import { posix } from 'node:path'
import { importsOf, type SourceTree } from './source-tree.ts'

/** Who imports whom, types included: names (files, or folders) and those that each of them imports. */
export type ImportGraph = ReadonlyMap<string, ReadonlySet<string>>

/** Of files. What is started as a thread or a process of its own isn't imported. */
export function importGraph(tree: SourceTree): ImportGraph {
  return new Map(
    [...tree].map(([path, text]) => {
      const files = importsOf(path, text).flatMap(({ file, started }) =>
        file === undefined || started || !tree.has(file) ? [] : [file],
      )
      return [path, new Set(files)]
    }),
  )
}

/** The same of groups of files, such as folders; undefined: a file is in no group. */
export function groupGraph(
  graph: ImportGraph,
  groupOf: (path: string) => string | undefined,
): ImportGraph {
  const groups = new Map<string, Set<string>>()
  for (const [path, imported] of graph) {
    const group = groupOf(path)
    if (group === undefined) continue
    const known = groups.get(group) ?? new Set()
    groups.set(group, known)
    for (const file of imported) {
      const other = groupOf(file)
      if (other !== undefined && other !== group) known.add(other)
    }
  }
  return groups
}

/** For each file that imports itself by way of others, the shortest such chain: `a.ts > b.ts > a.ts`. */
export function circles(graph: ImportGraph): string[] {
  const found = [...graph.keys()].flatMap((path) => {
    const chain = shortestWay(graph, path)
    return chain === undefined ? [] : [fromFirst(chain)]
  })
  return [...new Set(found)].sort()
}

/** From what it imports back to it; without the file at its end. */
function shortestWay(graph: ImportGraph, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>()
  // What is added while the loop runs is visited too.
  const queue = [start]
  for (const path of queue) {
    for (const next of graph.get(path) ?? []) {
      if (next === start) {
        const chain = [path]
        for (let at = path; at !== start; chain.unshift(at)) at = cameFrom.get(at)!
        return chain
      }
      if (cameFrom.has(next)) continue
      cameFrom.set(next, path)
      queue.push(next)
    }
  }
  return undefined
}

/** The same circle is told the same way, wherever it was entered. */
function fromFirst(chain: readonly string[]): string {
  const first = chain.indexOf([...chain].sort()[0]!)
  const turned = [...chain.slice(first), ...chain.slice(0, first)]
  return [...turned, turned[0]].join(' > ')
}

/** Only those imports that others don't bring along. In a graph without circles there is one such answer. */
export function withoutImplied(graph: ImportGraph): ImportGraph {
  return new Map(
    [...graph].map(([name, imported]) => {
      const implied = reachableIn(
        graph,
        [...imported].flatMap((each) => [...(graph.get(each) ?? [])]),
      )
      return [name, new Set([...imported].filter((each) => !implied.has(each)))]
    }),
  )
}

/** These, what they import, what that imports, and so on. */
export function reachableIn(graph: ImportGraph, start: Iterable<string>): ReadonlySet<string> {
  // What is added while the loop runs is visited too.
  const seen = new Set(start)
  for (const name of seen) for (const next of graph.get(name) ?? []) seen.add(next)
  return seen
}

/** The longest way down, where no file comes twice; of a circle, one file counts. */
export function longestChain(graph: ImportGraph): string[] {
  const longest = new Map<string, string[]>()
  for (const component of components(graph)) {
    const below = component
      .flatMap((path) => [...graph.get(path)!])
      .flatMap((path) => [longest.get(path) ?? []])
    const deepest = below.reduce((a, b) => (b.length > a.length ? b : a), [])
    for (const path of component) longest.set(path, [path, ...deepest])
  }
  return [...longest.values()].reduce((a, b) => (b.length > a.length ? b : a), [])
}

/** Files that all reach one another, together (Tarjan); what is imported comes before who imports it. */
export function components(graph: ImportGraph): string[][] {
  const found: string[][] = []
  const number = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const visit = (path: string) => {
    number.set(path, number.size)
    low.set(path, number.get(path)!)
    stack.push(path)
    for (const next of graph.get(path)!) {
      if (!number.has(next)) visit(next)
      // What is in no component yet is still on the stack.
      if (low.has(next)) low.set(path, Math.min(low.get(path)!, low.get(next)!))
    }
    if (low.get(path) !== number.get(path)) return
    const component = stack.splice(stack.indexOf(path))
    for (const each of component) low.delete(each)
    found.push(component.sort())
  }
  for (const path of graph.keys()) if (!number.has(path)) visit(path)
  return found
}

/** Folders and how many files each has in it, not below it. */
export function folderSizes(paths: Iterable<string>): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>()
  for (const path of paths) {
    const folder = posix.dirname(path)
    sizes.set(folder, (sizes.get(folder) ?? 0) + 1)
  }
  return sizes
}
