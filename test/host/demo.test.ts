import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { main } from '../support/cli-host.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnm-demo-test-'))
})

afterEach(() => rm(folder, { recursive: true }))

function demo() {
  const child = spawn(process.execPath, [main, 'demo'], {
    timeout: 60_000,
    killSignal: 'SIGKILL',
    env: { ...process.env, TMPDIR: folder },
  })
  return { child, ended: once(child, 'close') }
}

it('shows that all of it is true, and leaves nothing', async () => {
  const { child, ended } = demo()
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  expect({ err, last: out.trim().split('\n').at(-1), end: await ended }).toEqual({
    err: '',
    last: expect.stringMatching(/^\d\d things proved$/),
    end: [0, null],
  })
  expect(await readdir(folder)).toEqual([])
})

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('ends at once with %s, and leaves nothing', async (signal, status) => {
  const { child, ended } = demo()
  const err = text(child.stderr)
  await once(child.stdout, 'data')
  child.kill(signal)
  // Not before all that have the same output have ended, too.
  child.stdout.resume()
  expect({ end: await ended, err: await err }).toEqual({ end: [status, null], err: '' })
  expect(await readdir(folder)).toEqual([])
})
