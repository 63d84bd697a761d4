import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { badFloors } from './support/house-tables.ts'
import { circles, folderSizes, importGraph } from './support/import-graph.ts'
import { isTest, layerViolations } from './support/layers.ts'
import { reachable, readTree } from './support/source-tree.ts'
import { unusedExports } from './support/unused-exports.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = readTree(root, ['src'])
const everything = readTree(root, ['src', 'test', 'bench'])
/** Without the tests beside it. */
const shipped = new Map([...source].filter(([path]) => !isTest(path)))

describe('layers', () => {
  it('are respected by every import in src/', () => {
    expect(layerViolations(source)).toEqual([])
  })

  it('loads no FFI and no store file format with the public face', () => {
    const heavy = [...reachable(source, 'src/index.ts')].filter((what) =>
      /^(koffi|lmdb)$|^src\/kernel\/linux\//.test(what),
    )
    expect(heavy).toEqual([])
  })
})

describe('the checker of layers', () => {
  const broken = (path: string, text: string) => layerViolations(new Map([[path, text]]))

  it.each([
    ['src/base/a.ts', "import { a } from '../model/a.ts'"],
    ['src/kernel/kernel.ts', "import { b } from '../store/store.ts'"],
    ['src/driver/bridge/a.ts', "import { b } from '../host/host.ts'"],
    ['src/driver/bridge/a.ts', "import type { B } from '../../model/network.ts'"],
    ['src/model/a.ts', "export { b } from '../kernel/linux/index.ts'"],
    ['src/model/a.ts', "export * from '../store/local/local.ts'"],
    ['src/model/a.ts', "const b = await import('../driver/bridge/bridge.ts')"],
    ['src/linux/library.ts', "import { b } from '../kernel/linux/apply.ts'"],
    ['src/kernel/linux/apply.ts', "import koffi from 'koffi'"],
    ['src/model/a.ts', "import { spawn } from 'node:child_process'"],
    ['src/firewall/a.ts', "import {\n  readFile,\n} from 'node:fs/promises'"],
    ['src/base/a.ts', "import 'left-pad'"],
    ['src/unheard/a.ts', ''],
    ['src/index.ts', "import { b } from '../test/support/layers.ts'"],
    ['src/model/a.ts', "import { b } from './a.test.ts'"],
  ])('finds fault with %s: %s', (path, text) => {
    expect(broken(path, text)).toHaveLength(1)
  })

  it.each([
    ['src/address/a.ts', "import { a } from '../base/errors.ts'"],
    ['src/kernel/kernel.ts', "import type { B } from '../store/store.ts'"],
    ['src/driver/bridge/a.ts', "import { b } from '../../firewall/firewall.ts'"],
    ['src/driver/remote/a.ts', "import { b } from '../../plugin/client.ts'"],
    ['src/kernel/linux/ffi/libc.ts', "import koffi from 'koffi'"],
    ['src/kernel/linux/spawn.ts', "import { spawn } from 'node:child_process'"],
    [
      'src/kernel/linux/thread/thread.ts',
      "new Worker(new URL('./thread-worker.js', import.meta.url))",
    ],
    ['src/linux/library.ts', "import { b } from '../kernel/linux/index.ts'"],
    ['src/model/a.ts', " * import { b } from '../kernel/linux/index.ts'"],
    ['src/model/a.test.ts', "import { b } from '../kernel/memory/memory.ts'"],
  ])('lets %s be: %s', (path, text) => {
    expect(broken(path, text)).toEqual([])
  })

  it('follows code, and not types, when it asks what is loaded', () => {
    const tree = new Map([
      ['src/index.ts', "export * from './a.ts'\nimport type { C } from './c.ts'"],
      ['src/a.ts', "import { b } from './b.ts'\nimport './index.ts'"],
      ['src/b.ts', "import koffi from 'koffi'"],
    ])
    expect([...reachable(tree, 'src/index.ts')].sort()).toEqual([
      'koffi',
      'src/a.ts',
      'src/b.ts',
      'src/index.ts',
    ])
  })
})

describe('imports', () => {
  it('lead in no circle, types included', () => {
    expect(circles(importGraph(shipped))).toEqual([])
  })

  it('lead up no floor of the house, and every folder is on one', () => {
    expect(badFloors(importGraph(shipped))).toEqual([])
  })
})

describe('implementations', () => {
  const folders = [...folderSizes(shipped.keys()).keys()]
  const tests = [...everything].filter(([path]) => isTest(path))

  it('of a contract pass its suite', () => {
    const implementations = folders.filter((folder) =>
      /^src\/(driver|ipam|store|kernel)\/[^/]+$/.test(folder),
    )
    expect(implementations).toContain('src/driver/bridge')
    const untried = implementations.filter((folder) => {
      const built = `'#dist/${folder.slice('src/'.length)}/`
      return !tests.some(
        ([path, text]) =>
          /^\w+Contract\(/m.test(text) && (dirname(path) === folder || text.includes(built)),
      )
    })
    expect(untried).toEqual([])
  })

  it('of drivers and address managers are in the preset', () => {
    const loaded = [...reachable(source, 'src/linux/library.ts')].map(dirname)
    const parts = folders.filter((folder) => /^src\/(driver|ipam)\/[^/]+$/.test(folder))
    expect(parts.filter((folder) => !loaded.includes(folder))).toEqual([])
  })

  it('of the kernel door are tried with every kind of resource', () => {
    const words = (folder: string) =>
      [...shipped].filter(([path]) => dirname(path) === folder).map(([, text]) => text)
    const kinds = words('src/kernel').flatMap((text) => [
      ...text.matchAll(/^ {2}readonly kind: '([a-z-]+)'/gm),
    ])
    const cases = words('src/testing/kernel-cases').join('')
    expect(kinds.length).toBeGreaterThan(15)
    const untried = kinds
      .map(([, kind]) => kind)
      .filter((kind) => !cases.includes(`kind: '${kind}'`))
    expect(untried).toEqual([])
  })
})

describe('folders', () => {
  const limit = 20
  it(`have ${limit} source files at most`, () => {
    const large = [...folderSizes(shipped.keys())].filter(([, size]) => size > limit)
    expect(large.map(([folder]) => folder).sort()).toEqual([])
  })
})

describe('files', () => {
  it('have names in kebab-case that say what is inside', () => {
    const vague = /^(utils?|helpers?|common|types?|misc)(\.test)?\.ts$/
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/
    const bad = [...everything.keys()].filter((path) => {
      const name = basename(path)
      return vague.test(name) || !kebab.test(name)
    })
    expect(bad).toEqual([])
  })

  it('are short: 400 lines at most, half of them below 170', () => {
    const lines = (text: string) => text.split('\n').length - 1
    const long = [...everything]
      .filter(([, text]) => lines(text) > 400)
      .map(([path, text]) => `${path}: ${lines(text)}`)
    expect(long).toEqual([])
    const sizes = [...source]
      .filter(([path]) => !isTest(path))
      .map(([, text]) => lines(text))
      .sort((a, b) => a - b)
    expect(sizes[sizes.length >> 1]).toBeLessThan(170)
  })

  it('wait in tests for no end that may have come already', () => {
    const waits = /await once\([^)]*'(?:exit|close|end|finish)'/
    const late = [...everything].filter(
      ([path, text]) =>
        (path.startsWith('test/') || isTest(path)) &&
        path !== 'test/support/ended.ts' &&
        waits.test(text),
    )
    // See test/support/ended.ts for what is right.
    expect(late.map(([path]) => path)).toEqual([])
  })

  it('have no default export', () => {
    const bad = [...source].filter(([, text]) => /^export default\b/m.test(text))
    expect(bad.map(([path]) => path)).toEqual([])
  })
})

describe('package.json', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string>
    bin: Record<string, string>
    dependencies: Record<string, string>
    optionalDependencies: Record<string, string>
    peerDependencies: Record<string, string>
  }
  const targets = Object.entries({ ...manifest.exports, ...manifest.bin }).filter(
    ([, target]) => target !== './package.json',
  )

  it('or another file makes use of every export in src/', () => {
    const users = ['src', 'test', 'bench', 'examples', 'scripts']
    const entries = Object.values(manifest.exports)
      .filter((target) => target.endsWith('.js'))
      .map((target) => target.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts'))
    expect(unusedExports(readTree(root, users, /\.(ts|mjs)$/), entries)).toEqual([])
  })

  it('exports what is built from a file in src/', () => {
    const missing = targets
      .map(([, target]) => target.replace(/^(\.\/)?dist\//, 'src/').replace(/\.js$/, '.ts'))
      .filter((path) => !source.has(path))
    expect(missing).toEqual([])
  })

  it('depends on what its library loads, and on nothing that is only in bundles', () => {
    const modules = Object.values(manifest.exports)
      .filter((target) => target.endsWith('.js'))
      .flatMap((target) => [
        ...reachable(source, target.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts')),
      ])
    const packages = modules.filter((what) => !/^(src\/|node:)/.test(what))
    const loaded = packages.filter((name) => !(name in manifest.peerDependencies))
    // Of typebox, types are in our declarations.
    const wanted = new Set([...loaded, 'typebox'])
    const { dependencies, optionalDependencies } = manifest
    expect(Object.keys({ ...dependencies, ...optionalDependencies }).sort()).toEqual(
      [...wanted].sort(),
    )
    // Only a process of its own needs it, and only after another version.
    expect(Object.keys(optionalDependencies)).toEqual(['lmdb'])
  })

  it('bundles every file that is run as a thread or a process', () => {
    const bundles = readFileSync(join(root, 'scripts/bundle.mjs'), 'utf8')
    const entries = [...source].flatMap(([path, text]) => {
      return [...text.matchAll(/new URL\('(\.[^']*)\.js', import\.meta\.url\)/g)].map((match) => {
        return join(dirname(path), match[1]!).replace(/^src\//, '')
      })
    })
    expect(entries).toContain('kernel/linux/thread/thread-worker')
    expect(entries.filter((entry) => !bundles.includes(`'${entry}'`))).toEqual([])
  })

  it('opens two folders below the kernel door, and no more', () => {
    const below = targets.filter(([, target]) => target.includes('kernel/linux/'))
    expect(below.map(([name]) => name)).toEqual(['./netlink', './nftables'])
  })

  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { resolved?: string; optionalDependencies?: Record<string, string> }>
  }

  it('knows no registry in its lock file', () => {
    const resolved = Object.keys(lock.packages).filter((path) => lock.packages[path]?.resolved)
    expect(resolved).toEqual([])
  })

  it('has every platform in its lock file, or a clean install is refused', () => {
    const wanted = Object.values(lock.packages).flatMap((entry) =>
      Object.keys(entry.optionalDependencies ?? {}),
    )
    expect(wanted.filter((name) => !lock.packages[`node_modules/${name}`])).toEqual([])
  })
})
