import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from './make-folder.ts'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnm-folder-'))
})

afterEach(() => rm(root, { recursive: true }))

describe('a folder', () => {
  it('is made with those above it, by several at once', async () => {
    const path = join(root, 'a', 'b', 'c')
    await Promise.all([makeFolder(path), makeFolder(path), makeFolder(join(root, 'a'))])
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    await makeFolder(path)
  })

  it.each([
    ['below /proc', () => '/proc/no/folder', 'ENOENT'],
    ['in the place of a file', () => join(root, 'file'), 'EEXIST'],
    ['below a file', () => join(root, 'file', 'a', 'b'), 'ENOTDIR'],
  ])('is not made %s', async (_, path, errno) => {
    await writeFile(join(root, 'file'), '')
    await expect(makeFolder(path())).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      details: { path: path(), errno },
      hint: expect.stringMatching(/another folder/),
    })
  })
})
