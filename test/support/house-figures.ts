import { circles, components, folderSizes, importGraph, longestChain } from './import-graph.ts'
import { isTest } from './layers.ts'
import { readTree } from './source-tree.ts'

/** What can be counted of the sources of a checkout, tests beside them left out. `scripts/house.mjs` prints it. */
export function houseFigures(root: string): Readonly<Record<string, string>> {
  const tree = new Map([...readTree(root, ['src'])].filter(([path]) => !isTest(path)))
  const graph = importGraph(tree)
  const sizes = [...tree.values()].map((text) => text.split('\n').length - 1).sort((a, b) => a - b)
  const folders = [...folderSizes(tree.keys())].sort(([, a], [, b]) => b - a)
  const [[largest, most]] = folders as [[string, number]]
  const knots = components(graph).filter((files) => files.length > 1)
  return {
    files: `${tree.size}`,
    lines: `${sizes.reduce((a, b) => a + b, 0)}`,
    'median file': `${sizes[sizes.length >> 1]} lines`,
    'longest file': `${sizes.at(-1)} lines`,
    folders: `${folders.length}`,
    'folders with more than 20 files': `${folders.filter(([, size]) => size > 20).length}`,
    'largest folder': `${most} files (${largest})`,
    imports: `${[...graph.values()].reduce((sum, imported) => sum + imported.size, 0)}`,
    // Files that reach one another are one knot, however many circles lead through it.
    'knots of circles': `${knots.length}`,
    'files in circles': `${knots.flat().length}`,
    'largest knot': `${Math.max(0, ...knots.map((files) => files.length))} files`,
    circles: `${circles(graph).length}`,
    'longest import chain': `${longestChain(graph).length} files`,
  }
}
