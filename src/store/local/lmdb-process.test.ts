import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askLmdb } from './lmdb-process.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cnm-lmdb-'))
})

afterAll(() => rmSync(folder, { recursive: true }))

/** With a program in place of the one that has lmdb. */
function ask(code: string, timeoutMs?: number) {
  const program = join(folder, 'program.mjs')
  writeFileSync(program, code)
  return askLmdb(['read', 'from', 'to'], { program, ...(timeoutMs ? { timeoutMs } : {}) })
}

describe('the process that has lmdb', () => {
  it('answers', async () => {
    const code = 'process.stdout.write(JSON.stringify({ wrong: process.argv.slice(2) }))'
    expect(await ask(code)).toEqual({ wrong: ['read', 'from', 'to', `${process.pid}`] })
  })

  it('may die, and no other does', async () => {
    const code = "process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 10_000)"
    expect((await ask(code)).failure).toBe('the process for it died of it (SIGSEGV)')
  })

  it('is ended if it doesn’t end', async () => {
    const { failure } = await ask('for (;;);', 500)
    expect(failure).toBe('the process for it was ended, since it took longer than 0.5 s')
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'has read nothing if it was told to end: %s',
    async (signal) => {
      const code = `process.kill(process.pid, '${signal}'); setTimeout(() => {}, 10_000)`
      await expect(ask(code)).rejects.toMatchObject({ code: 'EINTR' })
    },
  )

  it('has read nothing if it was killed', async () => {
    const code = "process.kill(process.pid, 'SIGKILL'); setTimeout(() => {}, 10_000)"
    await expect(ask(code)).rejects.toMatchObject({
      code: 'EINTR',
      message: expect.stringMatching(/SIGKILL/),
    })
  })

  it('has read nothing if it can’t be started', async () => {
    const asked = askLmdb(['read', 'from', 'to'], { node: join(folder, 'none') })
    await expect(asked).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('is ended if it says too much', async () => {
    const { failure } = await ask("for (;;) process.stdout.write('x'.repeat(1000))")
    expect(failure).toMatch(/^the process for it failed: .*maxBuffer/)
  })

  it.each(["console.log('strange')", "console.log('null')", ''])(
    'may say nonsense: %s',
    async (code) => {
      expect((await ask(code)).failure).toBe('the process for it said nothing that makes sense')
    },
  )

  it('says that it has no lmdb', async () => {
    const { failure } = await ask("await import('lmdb')")
    expect(failure).toBe('the optional package "lmdb", which is needed for it, is not installed')
  })

  it('passes on what the disk says', async () => {
    const code = `console.log(JSON.stringify({ wrong: [], refused: { code: 'ENOSPC', message: 'full' } }))`
    await expect(ask(code)).rejects.toMatchObject({ code: 'ENOSPC', message: 'full' })
  })
})
