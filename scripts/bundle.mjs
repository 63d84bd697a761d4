// Makes one file of each program and thread in dist/, with what it uses of other packages: Node takes
// longer to find and read hundreds of files than most of them take to run. The command line is several,
// in dist/chunks/, of which each command reads its own. The library's modules stay as tsc has left them.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'src')
const dist = join(root, 'dist')
const chunks = join(dist, 'chunks')

/** Entries of threads and processes, each of which needs all of its code at once. */
const wholes = [
  'keeper/process/main',
  'keeper/process/loop-worker',
  'kernel/linux/thread/thread-worker',
  'kernel/linux/programs/program-worker',
  'kernel/linux/background/background-worker',
  'store/local/lmdb-child',
]

/** They have native code, which can't be in a bundle. */
const external = [/^node:/, 'koffi', 'lmdb']

/** What fastify loads for schemas and for tests only: half of all that the daemon would have to read. */
const unused = [
  '@fastify/ajv-compiler',
  '@fastify/fast-json-stringify-compiler',
  'light-my-request',
]

const leaveOut = {
  name: 'leave-out',
  resolveId: (id) => (unused.includes(id) ? `\0${id}` : null),
  load(id) {
    if (!unused.includes(id.slice(1))) return null
    return `throw new Error('${id.slice(1)} was left out of the bundle: nothing should ask for it')`
  },
}

/** A module that goes to a file of that folder still finds what is beside its own place. */
function keepPlace(folder) {
  return {
    name: 'keep-place',
    transform(code, id) {
      if (!id.startsWith(source) || !code.includes('import.meta.url')) return null
      const place = relative(folder, join(dist, relative(source, id)))
      return code.replaceAll('import.meta.url', `new URL('${place}', import.meta.url)`)
    },
  }
}

/** Answers with the paths of the modules it has put together. */
async function bundle(entry, folder, output) {
  const made = await rolldown({
    input: { [entry]: join(source, `${entry}.ts`) },
    external,
    platform: 'node',
    transform: { target: 'node20.19' },
    plugins: [leaveOut, keepPlace(folder)],
  })
  const written = await made.write({ dir: dist, entryFileNames: '[name].js', ...output })
  await made.close()
  // It is that of what tsc had written there.
  rmSync(join(dist, `${entry}.js.map`), { force: true })
  return written.output.flatMap((file) => Object.keys(file.modules ?? {}))
}

/** The text of each license under which others' code is in the bundles. */
function licensesOf(modules) {
  const packages = modules.map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0])
  const texts = [...new Set(packages)].filter(Boolean).map((folder) => {
    const { name, version, license, author } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    )
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
    // Who has put no text into the package is named at least.
    const text =
      file === undefined
        ? `Copyright ${author.name ?? author}`
        : readFileSync(join(folder, file), 'utf8').trim()
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return texts.sort().join(`\n${'-'.repeat(80)}\n\n`)
}

rmSync(chunks, { recursive: true, force: true })
const modules = await Promise.all([
  bundle('cli/main', chunks, { chunkFileNames: 'chunks/[name].js' }),
  ...wholes.map((entry) => bundle(entry, join(dist, dirname(entry)), { codeSplitting: false })),
])
writeFileSync(join(dist, 'third-party-licenses.txt'), licensesOf(modules.flat()))
