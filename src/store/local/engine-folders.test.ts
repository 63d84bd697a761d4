import { existsSync, openSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { holdFolders } from './engine-folders.ts'

let root: string
let paths: { readonly stateDir: string; readonly runDir: string }

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnm-folders-'))
  paths = { stateDir: join(root, 'a/state'), runDir: join(root, 'run') }
})

afterEach(() => rm(root, { recursive: true }))

const free = (path: string) => openSync(path, 'a+')

it('are made, and stay', async () => {
  const folders = await holdFolders(paths, free)
  expect(readdirSync(paths.stateDir)).toEqual(['lock'])
  expect(readdirSync(paths.runDir)).toEqual(['run.lock'])
  folders.release()
  folders.release()
  expect(readdirSync(root)).toEqual(['a', 'run'])
})

it('may be one', async () => {
  const folders = await holdFolders({ stateDir: root, runDir: root }, free)
  expect(readdirSync(root)).toEqual(['lock', 'run.lock'])
  folders.release()
})

it('go with all that is in them, if nothing came of it', async () => {
  const folders = await holdFolders(paths, free)
  await mkdir(join(paths.runDir, 'netns'))
  await writeFile(join(paths.stateDir, 'x'), 'y')
  await folders.abandon()
  expect(existsSync(paths.stateDir)).toBe(false)
  expect(existsSync(paths.runDir)).toBe(false)
})

it('stay, if they were there before', async () => {
  await mkdir(paths.stateDir, { recursive: true })
  const folders = await holdFolders(paths, free)
  await folders.abandon()
  expect(readdirSync(paths.stateDir)).toEqual(['lock'])
  // Records of this boot, for all that is known.
  expect(existsSync(paths.runDir)).toBe(true)
})

it('have no owner if one of them is another’s', async () => {
  await mkdir(paths.runDir)
  const halfFree = (path: string) => (path.includes('/state/') ? free(path) : undefined)
  await expect(holdFolders(paths, halfFree)).rejects.toMatchObject({
    code: 'ENGINE_RUNNING',
    message: `another process is the engine of the run folder ${paths.runDir}`,
  })
  expect(existsSync(paths.stateDir)).toBe(false)
  expect(readdirSync(root)).toEqual(['a', 'run'])
})
