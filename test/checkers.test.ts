import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { badFloors } from './support/house-tables.ts'
import {
  circles,
  folderSizes,
  importGraph,
  longestChain,
  withoutImplied,
} from './support/import-graph.ts'
import { isTest } from './support/layers.ts'
import { readTree } from './support/source-tree.ts'
import { unusedExports } from './support/unused-exports.ts'

// What test/architecture.test.ts checks imports and exports with can find fault.

const root = fileURLToPath(new URL('..', import.meta.url))
const shipped = new Map([...readTree(root, ['src'])].filter(([path]) => !isTest(path)))

describe('the checker of circles', () => {
  const graphOf = (texts: Readonly<Record<string, string>>) =>
    importGraph(new Map(Object.entries(texts)))

  it.each([
    [
      'two files, by types too',
      {
        'src/b/b.ts': "import type { A } from '../a.ts'",
        'src/a.ts': "export { b } from './b/b.ts'",
      },
      ['src/a.ts > src/b/b.ts > src/a.ts'],
    ],
    ['one file', { 'src/a.ts': "import { a } from './a.ts'" }, ['src/a.ts > src/a.ts']],
    [
      'a long one and a short one through the same file, and not what only leads there',
      {
        'src/a.ts': "import './b.ts'",
        'src/b.ts': "import './c.ts'\nimport './d.ts'",
        'src/c.ts': "const a: import('./a.ts').A = await import('./e.ts')",
        'src/d.ts': "import './b.ts'",
        'src/e.ts': '',
        'src/f.ts': "import './a.ts'",
      },
      ['src/a.ts > src/b.ts > src/c.ts > src/a.ts', 'src/b.ts > src/d.ts > src/b.ts'],
    ],
  ])('tells the chain: %s', (_, texts, chains) => {
    expect(circles(graphOf(texts))).toEqual(chains)
  })

  it.each([
    ['several ways to one file', { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }],
    ['a thread, which is started', { a: [], 'a-worker': ['a'] }],
  ])('lets be %s', (_, files) => {
    const texts = Object.entries(files).map(([name, imported]) => {
      const worker = "new Worker(new URL('./a-worker.js', import.meta.url))\n"
      const imports = (imported as string[]).map((other) => `import './${other}.ts'\n`).join('')
      return [`src/${name}.ts`, `${imports}${worker}`]
    })
    expect(circles(graphOf(Object.fromEntries(texts)))).toEqual([])
  })

  it('finds a folder that is on no floor, and an import that leads up', () => {
    const more = new Map([
      ...shipped,
      ['src/unheard/a.ts', ''],
      ['src/base/upward.ts', "import '../model/controller.ts'"],
    ])
    const faults = badFloors(importGraph(more))
    expect(faults).toContain('base imports model, which is above it')
    expect(faults).toContainEqual(expect.stringMatching(/^unheard is on no floor/))
    const fewer = new Map([...shipped].filter(([path]) => !path.startsWith('src/firewall/')))
    expect(badFloors(importGraph(fewer))).toContainEqual(
      expect.stringMatching(/^there is no firewall/),
    )
  })

  it('leaves out what is implied', () => {
    const graph = graphOf({
      'src/a.ts': "import './b.ts'\nimport './c.ts'\nimport './d.ts'",
      'src/b.ts': "import './c.ts'",
      'src/c.ts': '',
      'src/d.ts': '',
    })
    expect([...withoutImplied(graph).get('src/a.ts')!]).toEqual(['src/b.ts', 'src/d.ts'])
  })

  it('finds the longest chain, and goes round no circle', () => {
    const graph = graphOf({
      'src/a.ts': "import './b.ts'\nimport './d.ts'",
      'src/b.ts': "import './c.ts'",
      'src/c.ts': "import './b.ts'\nimport './d.ts'",
      'src/d.ts': '',
    })
    expect(longestChain(graph)).toEqual(['src/a.ts', 'src/b.ts', 'src/d.ts'])
  })
})

describe('the checker of exports', () => {
  const unused = (texts: Readonly<Record<string, string>>) =>
    unusedExports(new Map(Object.entries(texts)), ['src/index.ts'])

  it('finds what nobody imports, its own file apart', () => {
    const found = unused({
      'src/a.ts': [
        'export interface A {}',
        'export type B = A',
        'export async function c() {}',
        'export abstract class D {}',
        'export const e = c()',
        'const f = 1',
        'export { f as g }',
      ].join('\n'),
      'src/passing.ts': "export { c as h } from './a.ts'\nexport * from './a.ts'",
    })
    const own = ['A', 'B', 'D', 'c', 'e', 'g'].map((name) => `src/a.ts: ${name}`)
    expect(found).toEqual([...own, 'src/passing.ts: h'])
  })

  it.each([
    ['by name', 'src/b.ts', "import { type A, c as d } from './a.ts'"],
    ['as a whole', 'src/b.ts', "import * as a from './a.ts'\nconst x: a.A = a.c()"],
    ['when it is needed', 'src/b.ts', "const { c } = await import('./a.ts')"],
    ['as what is built', 'test/host/b.test.ts', "import { A, c } from '#dist/a.js'"],
    ['by way of another', 'test/b.ts', "import { A, c } from '../src/all.ts'"],
    [
      'by who uses the package',
      'src/index.ts',
      "export type { A } from './a.ts'\nexport * from './all.ts'",
    ],
  ])('knows what is imported %s', (_, path, text) => {
    const texts = { 'src/a.ts': 'export interface A {}\nexport const c = 1\n' }
    const all = "export { c } from './a.ts'\nexport * from './a.ts'"
    expect(unused({ ...texts, 'src/all.ts': all, [path]: text })).toEqual(
      text.includes('all.ts') ? [] : ['src/all.ts: c'],
    )
  })
})

describe('the sizes of folders', () => {
  it('are counted by what is in them, not below them', () => {
    const paths = ['src/a/a.ts', 'src/a/b.ts', 'src/a/c/c.ts', 'src/d.ts']
    expect(Object.fromEntries(folderSizes(paths))).toEqual({ 'src/a': 2, 'src/a/c': 1, src: 1 })
  })
})
