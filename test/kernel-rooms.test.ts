import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { isTest } from './support/layers.ts'
import { importsOf, readTree } from './support/source-tree.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const tree = readTree(root, ['src/kernel'])
const sources = [...tree.keys()].filter((path) => !isTest(path))

const MOST_IN_A_ROOM = 20

it('has no room in the kernel with too much in it', () => {
  const rooms = new Map<string, number>()
  for (const room of sources.map(dirname)) rooms.set(room, (rooms.get(room) ?? 0) + 1)
  expect([...rooms].filter(([, files]) => files > MOST_IN_A_ROOM)).toEqual([])
})

it('has nothing in the kernel that imports in a circle, types included', () => {
  const imported = new Map(sources.map((path) => [path, importedBy(path)]))
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' → '))
    if (done.has(path)) return
    done.add(path)
    for (const file of imported.get(path) ?? []) visit(file, [...way, path])
  }
  for (const path of sources) visit(path, [])
  expect(circles).toEqual([])
})

/** A thread that is started (by the name of what it is compiled to) is not imported. */
function importedBy(path: string): string[] {
  return importsOf(path, tree.get(path)!).flatMap(({ file, specifier }) => {
    return file === undefined || specifier.endsWith('.js') ? [] : [file]
  })
}
