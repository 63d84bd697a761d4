import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { markdownTable, root, withTable } from './documentation.ts'
import {
  circles,
  groupGraph,
  type ImportGraph,
  importGraph,
  reachableIn,
  withoutImplied,
} from './import-graph.ts'
import { isTest } from './layers.ts'
import { importsOf, readTree, type SourceTree } from './source-tree.ts'

// Who imports whom, for people: the tables of docs/design/engine.md. What a folder is, is said here; what it
// stands on is read from the sources.

/** From the roof down. What a folder imports is on its own floor, or below. */
const floors: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  programs: {
    cli: 'the command `cnm`',
    linux: 'the presets: library, daemon, keeper, each made of its parts',
  },
  'ways in': {
    'index.ts': 'the public face of the library',
    daemon: 'HTTP for the model',
    'front/docker': "Docker's API",
    'front/docker-plugin': 'a driver for Docker',
    'front/oci': 'what runtimes say of their containers',
    client: 'the verbs of the model, asked of a daemon',
    testing: 'suites that implementations pass',
  },
  model: {
    model: 'networks, sandboxes, endpoints, and what they may do',
  },
  implementations: {
    'driver/bridge': 'networks on a bridge',
    'driver/host': "the host's own stack",
    'driver/null': 'no network',
    'driver/remote': 'drivers that are plugins',
    'ipam/local': 'address pools of this host',
    'ipam/null': 'no addresses',
    'ipam/remote': 'address managers that are plugins',
    'store/local': 'records in files',
    'store/memory': 'records for tests',
    'kernel/linux': 'the real one, and all that knows of Linux',
    'kernel/memory': 'one for tests',
    'keeper/process': 'the process that answers names, and outlives the engine',
    plugin: 'plugins: where they are, and how they are spoken to',
    firewall: 'tables and elements, as resources',
    dns: 'messages, zones and files of names',
  },
  contracts: {
    driver: 'what is asked of a driver',
    ipam: 'what is asked of an address manager',
    store: 'what is asked of a store',
    keeper: 'what engine and keeper say to each other',
    kernel: 'the door to the machine, and the resources',
    api: 'what goes over the wire: routes, options, shapes',
  },
  foundation: {
    address: 'IP addresses, MACs, ports',
    base: 'errors, ids, queues, parsing',
  },
}

const rooms: Readonly<Record<string, string>> = {
  change: 'the one way to change anything',
  network: 'networks',
  endpoint: 'endpoints',
  sandbox: 'sandboxes',
  ports: 'ports of the host',
  plugins: 'drivers with side effects',
  recovery: 'starting, comparing, mending',
}
/** Of the files that are in no room. */
const shared = 'shared'
const above = 'above'

/** A part of the house: an implementation by itself, else the folder below src/. */
function partOf(path: string): string {
  const [folder, inner, file] = path.split('/').slice(1)
  const hasParts = /^(driver|ipam|store|kernel|keeper|front)$/.test(folder!)
  return hasParts && file !== undefined ? `${folder}/${inner}` : folder!
}

/** Imports that lead up, folders that are on no floor, and floors' folders that aren't there. */
export function badFloors(graph: ImportGraph): string[] {
  const parts = groupGraph(graph, partOf)
  const levels = new Map(
    Object.values(floors)
      .reverse()
      .flatMap((folders, level) => Object.keys(folders).map((folder) => [folder, level] as const)),
  )
  const unknown = [...parts.keys()].filter((part) => !levels.has(part))
  const gone = [...levels.keys()].filter((part) => !parts.has(part))
  const upward = [...parts].flatMap(([part, imported]) =>
    [...imported].flatMap((other) =>
      levels.get(other)! > levels.get(part)! ? [`${part} imports ${other}, which is above it`] : [],
    ),
  )
  return [
    ...unknown.map((part) => `${part} is on no floor; add it to test/support/house-tables.ts`),
    ...gone.map((part) => `there is no ${part}; take it out of test/support/house-tables.ts`),
    ...circles(parts),
    ...upward,
  ]
}

function floorTable(graph: ImportGraph): string {
  const edges = withoutImplied(groupGraph(graph, partOf))
  const lines = Object.entries(floors).flatMap(([floor, folders]) =>
    Object.entries(folders).map(([folder, what], at) => [
      at === 0 ? floor : '',
      code(folder),
      what,
      [...(edges.get(folder) ?? [])].sort().map(code).join(', ') || 'nothing',
    ]),
  )
  return markdownTable([['floor', 'in `src/`', 'what it is', 'stands on'], ...lines])
}

const code = (name: string) => `\`${name}\``

/** Rows import columns: with code, or types only. */
function roomTable(tree: SourceTree, graph: ImportGraph): string {
  const known = new Set(Object.keys(rooms))
  const inModel = (path: string) => path.startsWith('src/model/')
  const roomOf = (path: string) => (path.split('/').length > 3 ? path.split('/')[2]! : undefined)
  const inRooms = [...graph.keys()].filter((path) => inModel(path) && roomOf(path) !== undefined)
  const unknown = new Set(inRooms.map((path) => roomOf(path)!).filter((room) => !known.has(room)))
  if (unknown.size > 0) throw new Error(`say in house-tables.ts what is in ${[...unknown]}`)
  // What no room needs is above them.
  const needed = reachableIn(graph, inRooms)
  const groupOf = (path: string) =>
    inModel(path) ? (roomOf(path) ?? (needed.has(path) ? shared : above)) : undefined
  const all = groupGraph(graph, groupOf)
  const running = groupGraph(codeOnly(tree, graph), groupOf)
  const loose = (group: string) =>
    [...graph.keys()]
      .filter((path) => groupOf(path) === group)
      .map((path) => code(path.slice('src/model/'.length)))
      .join(', ')
  const columns = [shared, ...known]
  const words: Readonly<Record<string, string>> = {
    ...rooms,
    [above]: loose(above),
    [shared]: loose(shared),
  }
  const lines = [above, ...known, shared].map((row) => [
    known.has(row) ? code(`${row}/`) : row,
    ...columns.map((column) =>
      row === column
        ? ''
        : running.get(row)?.has(column)
          ? 'code'
          : all.get(row)?.has(column)
            ? 'types'
            : '–',
    ),
    words[row]!,
  ])
  const head = columns.map((column) => (known.has(column) ? code(column) : column))
  return markdownTable([['imports', ...head, 'what it is'], ...lines])
}

function codeOnly(tree: SourceTree, graph: ImportGraph): ImportGraph {
  return new Map(
    [...graph].map(([path, imported]) => {
      const running = importsOf(path, tree.get(path)!).filter(({ typeOnly }) => !typeOnly)
      return [path, new Set(running.flatMap(({ file }) => (imported.has(file!) ? [file!] : [])))]
    }),
  )
}

export const housePage = join(root, 'docs/design/engine.md')

/** The page with the tables as they should be. */
export function pageWithHouse(): string {
  const tree = new Map([...readTree(root, ['src'])].filter(([path]) => !isTest(path)))
  const graph = importGraph(tree)
  const text = readFileSync(housePage, 'utf8')
  const withFloors = withTable(text, 'floors, by test/support/house-tables.ts', floorTable(graph))
  return withTable(
    withFloors,
    "the model's rooms, by test/support/house-tables.ts",
    roomTable(tree, graph),
  )
}
