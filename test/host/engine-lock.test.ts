import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFile } from '#dist/kernel/linux/ffi/lock.js'
import { acquireEngineLock } from '#dist/store/local/engine-lock.js'
import { run } from '../support/run.ts'

const child = fileURLToPath(new URL('../support/lock-child.mjs', import.meta.url))
let stateDir: string

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'cnm-lock-'))
})

afterEach(() => rm(stateDir, { recursive: true }))

const acquire = () => acquireEngineLock(stateDir, lockFile)

describe('the lock of the engine', () => {
  it('is held by one', async () => {
    const lock = await acquire()
    await expect(acquire()).rejects.toMatchObject({
      code: 'ENGINE_RUNNING',
      details: { pid: process.pid },
    })
    lock.release()
    const next = await acquire()
    next.release()
  })

  it('dies with its process, whatever programs that one started', async () => {
    const holder = spawn(process.execPath, [child, stateDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const timer = setTimeout(() => holder.kill('SIGKILL'), 10_000)
    const ended = once(holder, 'close')
    const [line] = await once(holder.stdout.setEncoding('utf8'), 'data')
    const program = Number(line)
    try {
      await expect(acquire()).rejects.toMatchObject({
        code: 'ENGINE_RUNNING',
        details: { pid: holder.pid },
      })
      holder.kill('SIGKILL')
      await ended
      expect(await readFile(`/proc/${program}/comm`, 'utf8')).toBe('sleep\n')
      const lock = await acquire()
      lock.release()
    } finally {
      clearTimeout(timer)
      process.kill(program, 'SIGKILL')
    }
  })

  it('is not to be had on a read-only disk', async () => {
    const script = `mount --bind ${stateDir} ${stateDir} && mount -o remount,bind,ro ${stateDir} && exec "$@"`
    const mounted = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'] as const
    await expect(run([...mounted, process.execPath, child, stateDir])).rejects.toThrow(
      /STORE_UNAVAILABLE[\s\S]*EROFS/,
    )
  })
})
