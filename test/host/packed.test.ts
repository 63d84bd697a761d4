import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { DaemonProcess, runDir } from '../support/daemon-process.ts'
import { links, pages } from '../support/documentation.ts'
import { throwAwayHost } from '../support/host.ts'
import { commandIn, type Installed, PackedPackage } from '../support/packed-package.ts'
import { run } from '../support/run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Of the packages it may use without having named them: those that are named as optional. */
const peers = ['vitest', 'fast-check']

// Compiling takes long beside other work.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

let packed: PackedPackage
let installed: Installed
/** `libcnm`, `libcnm/linux`, … */
let entries: readonly string[]

beforeAll(async () => {
  packed = await PackedPackage.pack()
  const bare = await packed.installInto('manifest', [])
  const { dependencies, exports } = bare.manifest
  installed = await packed.installInto('program', [
    ...Object.keys(dependencies),
    ...peers,
    '@types/node',
  ])
  entries = Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => `libcnm${path.slice(1)}`)
})

afterAll(() => packed?.[Symbol.asyncDispose]())

it('has all that is run and read, and neither tests nor maps of sources that it has not', () => {
  const { man, bin, exports } = installed.manifest
  const named = [...man, ...Object.values(bin), ...Object.values(exports)]
  const missing = named.map((path) => path.replace(/^\.\//, ''))
  expect(missing.filter((path) => !packed.files.includes(path))).toEqual([])
  expect(packed.files).toContain('systemd/cnm.service')
  expect(packed.files).toContain('dist/third-party-licenses.txt')
  expect(packed.files.filter((path) => /\.map$|\.test\.|^(src|test|bench)\//.test(path))).toEqual(
    [],
  )
})

it('has the pages, and what they lead to', () => {
  const shown = pages().filter(({ path }) => packed.files.includes(path))
  expect(shown.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['docs/guide.md', 'README.md']),
  )
  const missing = shown.flatMap(links).filter(({ path }) => !packed.files.includes(path))
  expect(missing).toEqual([])
})

describe('every entry', () => {
  it('is imported by modules', async () => {
    const lines = entries.map((name) => `console.log(Object.keys(await import('${name}')).length)`)
    await writeFile(join(installed.folder, 'all.mjs'), lines.join('\n'))
    const counts = (await commandIn(installed, 'all.mjs')).trim().split('\n').map(Number)
    expect(counts.filter((count) => count > 0)).toHaveLength(entries.length)
  })

  it('is required by CommonJS', async () => {
    // The suites are vitest's, which is for modules only.
    const required = entries.filter((name) => name !== 'libcnm/testing')
    const lines = required.map((name) => `console.log(Object.keys(require('${name}')).length)`)
    await writeFile(join(installed.folder, 'all.cjs'), lines.join('\n'))
    const counts = (await commandIn(installed, 'all.cjs')).trim().split('\n').map(Number)
    expect(counts.filter((count) => count > 0)).toHaveLength(required.length)
  })

  it.each(['nodenext', 'bundler'])('has types that compile: %s', async (moduleResolution) => {
    const folder = installed.folder
    const names = entries.map((name, index) => `import * as entry${index} from '${name}'`)
    const used = entries.map((_, index) => `entry${index}`).join(', ')
    const files = [`entries-${moduleResolution}.ts`]
    await writeFile(join(folder, files[0]!), `${names.join('\n')}\nexport const all = [${used}]\n`)
    if (moduleResolution === 'nodenext') {
      files.push('required.cts')
      const text = `import cnm = require('libcnm/linux')\nexport const make = cnm.createController\n`
      await writeFile(join(folder, 'required.cts'), text)
    }
    await typeCheck({
      moduleResolution,
      module: moduleResolution === 'bundler' ? 'esnext' : 'nodenext',
      files,
    })
  })

  it('satisfies publint and attw', async () => {
    const child = fileURLToPath(new URL('../support/package-lint-child.mjs', import.meta.url))
    const found = await run(['node', child, packed.tarball, installed.place], { timeoutMs: 30_000 })
    expect(JSON.parse(found)).toEqual([])
  })
})

/** With all declarations of all packages, and no types but those that are asked for. */
async function typeCheck({ files, ...options }: { files: string[]; [option: string]: unknown }) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const compilerOptions = {
    ...{ target: 'es2022', strict: true, exactOptionalPropertyTypes: true },
    ...{ skipLibCheck: false, noEmit: true, types: [] },
    ...options,
  }
  const config = join(installed.folder, `${options.moduleResolution}.json`)
  await writeFile(config, JSON.stringify({ compilerOptions, files }))
  await run(['node', tsc, '-p', config], { timeoutMs: 120_000 })
}

it.each(['darwin', 'win32'])(
  'can be installed and loaded on %s, but for the kernel',
  async (os) => {
    expect(installed.manifest.os).toBeUndefined()
    // Nothing with native code is there.
    const elsewhere = await packed.installInto(os, ['typebox', ...peers])
    const names = ['', '/client', '/driver', '/kernel', '/plugin', '/store', '/testing']
    const lines = names.map((name) => `libcnm${name}`).map((name) => `await import('${name}')`)
    const disguise = `Object.defineProperty(process, 'platform', { value: '${os}' })`
    await writeFile(join(elsewhere.folder, 'load.mjs'), [disguise, ...lines].join('\n'))
    await commandIn(elsewhere, 'load.mjs')
  },
)

it('is an engine with all its threads and processes', async () => {
  await using host = await throwAwayHost()
  await writeFile(
    join(installed.folder, 'engine.mjs'),
    `import { createController } from 'libcnm/linux'
    const folder = process.argv[2]
    const cnm = await createController({
      host: folder + '/host', stateDir: folder + '/state', runDir: folder + '/run', plugins: false,
    })
    const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
    const a = await cnm.createSandbox({ name: 'a' })
    const b = await cnm.createSandbox({ name: 'b' })
    await a.connect(web)
    await b.connect(web)
    console.log((await a.exec(['getent', 'hosts', 'b'])).code, (await cnm.doctor()).length)
    await a.delete()
    await b.delete()
    await cnm.close()`,
  )
  const script = join(installed.folder, 'engine.mjs')
  const out = await run(['node', script, host.folder], { timeoutMs: 30_000 })
  expect(out).toBe('0 0\n')
})

it('is a command', async () => {
  const cnm = join(installed.folder, 'node_modules/.bin/cnm')
  expect(await run([cnm, 'version', '--json'])).toContain('"cnm":"')
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host, [], { program: cnm }).ready()
  const env = { ...process.env, CNM_HOST: join(runDir(host), 'cnm.sock') }
  const listed = await run([cnm, 'network', 'ls', '--quiet'], { env }).finally(() => daemon.stop())
  expect(listed.trim().split('\n')).toHaveLength(2)
  expect(await daemon.ended).toBe(0)
  // Without its optional package it can't, and says so before anything else.
  const handing = new DaemonProcess(host, ['--hand-back'], { program: cnm })
  expect(await handing.ended).toBe(6)
  expect(handing.said).toContain('the optional package "lmdb"')
  expect(handing.said).toContain('npm install lmdb')
})
