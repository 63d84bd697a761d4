import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KernelError } from '../../base/errors.ts'
import { acquireEngineLock } from './engine-lock.ts'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnm-lock-'))
})

afterEach(() => rm(root, { recursive: true }))

const free = (path: string) => openSync(path, 'a+')
const held = () => undefined

describe('the lock of the engine', () => {
  it('names its process', async () => {
    const lock = await acquireEngineLock(root, free)
    expect(await readFile(join(root, 'lock'), 'utf8')).toBe(`${process.pid}\n`)
    lock.release()
  })

  it('names only its process', async () => {
    const path = join(root, 'lock')
    await writeFile(path, '12345678901234567890\nand more\n')
    const lock = await acquireEngineLock(root, free)
    expect(await readFile(path, 'utf8')).toBe(`${process.pid}\n`)
    lock.release()
  })

  it('closes its file once', async () => {
    let fd = -1
    const lock = await acquireEngineLock(root, (path) => {
      fd = free(path)
      return fd
    })
    lock.release()
    expect(() => closeSync(fd)).toThrow(/EBADF/)
    // Another file has that number now.
    expect(openSync('/dev/null', 'r')).toBe(fd)
    lock.release()
    closeSync(fd)
  })

  it('is refused with the process that holds it', async () => {
    await writeFile(join(root, 'lock'), '4711\n')
    await expect(acquireEngineLock(root, held)).rejects.toMatchObject({
      code: 'ENGINE_RUNNING',
      message: `process 4711 is the engine of the state folder ${root}`,
      details: { pid: 4711 },
      hint: expect.any(String),
    })
  })

  it('is another one for the run folder, be it the same or not', async () => {
    const state = await acquireEngineLock(root, free)
    await writeFile(join(root, 'run.lock'), '4712\n')
    await expect(acquireEngineLock(root, held, 'run')).rejects.toMatchObject({
      message: `process 4712 is the engine of the run folder ${root}`,
      details: { pid: 4712, runDir: root },
    })
    const run = await acquireEngineLock(root, free, 'run')
    run.release()
    state.release()
  })

  it.each(['', 'x\n'])('is refused when that one has not said so yet (%j)', async (content) => {
    await writeFile(join(root, 'lock'), content)
    await expect(acquireEngineLock(root, held)).rejects.toMatchObject({
      code: 'ENGINE_RUNNING',
      message: `another process is the engine of the state folder ${root}`,
    })
  })

  it('is unavailable where nothing can be written', async () => {
    const readOnly = () => {
      throw new KernelError('open', 'EROFS', { target: 'lock' })
    }
    await expect(acquireEngineLock(root, readOnly)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      details: { errno: 'EROFS' },
      hint: expect.stringMatching(/read-only/),
    })
  })
})
