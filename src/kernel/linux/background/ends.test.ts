import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it, vi } from 'vitest'
import { close } from '../ffi/file.ts'
import { identityOf } from '../namespaces/namespace.ts'
import { Ends } from './ends.ts'

let timeMs = 0
/** How long the next look at all paths takes. */
let lookMs = 0
const added: number[] = []

vi.mock('../ffi/wait.ts', () => ({
  EPOLLIN: 1,
  EPOLLONESHOT: 1 << 30,
  epollAdd: (_: number, fd: number) => added.push(fd),
  // Waits for mounts again, at the beginning of a look.
  epollChange: () => {
    timeMs += lookMs
  },
}))

afterEach(() => {
  vi.restoreAllMocks()
  for (const fd of added.splice(0)) close(fd)
})

it.each([
  [0, 20],
  [10, 200],
  [60_000, 1000],
])('after a look that took %i ms, mounts that come are looked at in %i ms', (took, pause) => {
  vi.spyOn(performance, 'now').mockImplementation(() => timeMs)
  const ends = new Ends(0, () => {})
  const path = fileURLToPath(import.meta.url)
  ends.await({ id: 1, path, identity: identityOf(statSync(path)) })
  const [mounts] = added
  lookMs = took
  ends.ready(mounts!)
  expect(ends.step()).toBe(20)
  timeMs += 20
  expect(ends.step()).toBe(-1)
  ends.ready(mounts!)
  expect(ends.step()).toBe(pause)
})
