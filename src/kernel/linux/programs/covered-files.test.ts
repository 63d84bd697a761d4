import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KernelError } from '../../../base/errors.ts'
import { CoveredFiles, type Mounts } from './covered-files.ts'
import type { MountPlace } from './mount-place.ts'

let refusal: string | undefined
const mounted: string[] = []

vi.mock('../ffi/mount.ts', async (original) => ({
  ...(await original<typeof import('../ffi/mount.ts')>()),
  mount: (source: string, target: string) => {
    if (refusal !== undefined) throw new KernelError('mount', refusal, { target })
    mounted.push(`${source} ${target}`)
  },
}))

let folder: string
let covered: CoveredFiles
const problems: string[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cnm-covered-'))
  refusal = undefined
  for (const list of [mounted, problems]) list.splice(0)
  covered = new CoveredFiles(
    (work) => work(),
    (message) => problems.push(message),
  )
})

afterEach(() => {
  covered.close()
  rmSync(folder, { recursive: true })
})

/** Files of some programs in place of one of the host's. */
function running(...programs: readonly (() => void)[]): { readonly replace: () => void } {
  const target = join(folder, 'host')
  const replace = () => {
    writeFileSync(`${target}.new`, '')
    renameSync(`${target}.new`, target)
  }
  replace()
  for (const [program, enter] of programs.entries()) {
    const source = join(folder, `own-${program}`)
    writeFileSync(source, '')
    const mounts: Mounts = [{ source, target }]
    covered.watch(mounts)
    covered.add(program, { enter, close: () => {} } as unknown as MountPlace, mounts)
  }
  return { replace }
}

it('tells once for each cause what could not be mounted again', async () => {
  const { replace } = running(() => {})
  const target = join(folder, 'host')
  refusal = 'ENOMEM'
  replace()
  await expect.poll(() => problems).toEqual([expect.stringMatching(/host.* in place of.*ENOMEM/)])
  refusal = 'EPERM'
  replace()
  await expect.poll(() => problems.length).toBe(2)
  refusal = 'ENOMEM'
  replace()
  refusal = undefined
  replace()
  await expect.poll(() => mounted.at(-1)).toBe(`${join(folder, 'own-0')} ${target}`)
  expect(problems).toHaveLength(2)
})

it('goes on with the others where one can’t be reached, and says nothing of one that is gone', async () => {
  let reached = 0
  const { replace } = running(
    () => {
      throw new KernelError('setns', 'EPERM')
    },
    () => {
      reached += 1
    },
    () => {},
  )
  rmSync(join(folder, 'own-1'))
  replace()
  await expect.poll(() => mounted).toEqual([`${join(folder, 'own-2')} ${join(folder, 'host')}`])
  expect(reached).toBeGreaterThan(0)
  expect(problems).toEqual([expect.stringContaining('EPERM')])
})
