import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileExamples } from '../support/compile-examples.ts'
import { type CodeBlock, codeBlocks, pages, root } from '../support/documentation.ts'
import { run } from '../support/run.ts'

const examples = pages()
  .flatMap(codeBlocks)
  .filter(({ runs }) => runs)
const programs = examples.filter(({ language }) => language === 'ts')
const engine = "createController({ stateDir: '/var/lib/cnm' })"
/** What library and client share is shown with the library, and is as true of the client. */
const remote = programs.filter(({ code }) => code.includes(engine)).map(withClient)
const commands = examples.filter(({ language }) => language === 'sh')

/**
 * On a machine of its own as far as networks, mounts and processes go, with an empty /run and /var/lib:
 * an example may use the usual folders.
 */
const alone = [
  'unshare',
  '--net',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
  '--propagation',
  'private',
  'sh',
  '-euc',
  `mount -t tmpfs tmpfs /run
   mount -t tmpfs tmpfs /var/lib
   ip link set lo up
   cd "$1"
   shift
   exec "$@"`,
  'sh',
] as const

function withClient(block: CodeBlock): CodeBlock {
  const code = block.code
    .replace(
      "import { createController } from 'libcnm/linux'",
      "import { connectController } from 'libcnm/client'",
    )
    .replace(engine, 'connectController({ start: true })')
  return { ...block, name: `${block.name}-client`, code }
}

describe('the examples in the pages', () => {
  let folder = ''

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cnm-docs-'))
    await compileExamples(folder, [...programs, ...remote], 'build')
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  it('are there', () => {
    expect(programs.length).toBeGreaterThan(0)
    expect(remote.length).toBeGreaterThan(2)
    expect(commands.length).toBeGreaterThan(0)
  })

  it.each([...programs, ...remote])('run: $name', async ({ name }) => {
    await run([...alone, folder, process.execPath, `${name}.js`], { timeoutMs: 30_000 })
  })

  it.each(commands)('run: $name', async ({ code }) => {
    // npx notes in its cache where the package it runs is.
    const env = { ...process.env, npm_config_cache: join(folder, 'npm-cache') }
    await run([...alone, root, 'sh', '-euxc', code], { timeoutMs: 30_000, env })
  })
})
