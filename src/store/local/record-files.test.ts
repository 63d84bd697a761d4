import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RecordFiles } from './record-files.ts'

let root: string
let folder: string
let files: RecordFiles

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnm-files-'))
  folder = join(root, 'state', 'networks')
  files = new RecordFiles('network', folder)
  await files.load()
})

afterEach(() => rm(root, { recursive: true }))

function write(id: string, value: string, version = 1) {
  return files.write({ kind: 'network', id, key: `network/${id}`, before: 0, version, value })
}

async function damage(id: string, change: (text: string) => string): Promise<void> {
  const path = join(folder, `${id}.json`)
  await writeFile(path, change(await readFile(path, 'utf8')))
}

const sound = { kind: 'network', id: 'sound', version: 1, value: 'sound' }

describe('a file of a record', () => {
  it('is JSON that a human can read', async () => {
    await write('a', 'web', 3)
    expect(JSON.parse(await readFile(join(folder, 'a.json'), 'utf8'))).toEqual({
      format: 1,
      id: 'a',
      version: 3,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      value: 'web',
    })
    expect(await readdir(folder)).toEqual(['a.json'])
  })

  it('may be indented in another way', async () => {
    await write('a', 'web')
    await damage('a', (text) => JSON.stringify(JSON.parse(text), null, 7))
    expect(await files.load()).toMatchObject({ records: [{ value: 'web' }], setAside: [] })
  })

  it.each<[string, (text: string) => string, RegExp]>([
    ['empty', () => '', /not JSON/],
    ['truncated', (text) => text.slice(0, 60), /not JSON/],
    ['of zeros', (text) => text.replace(/./g, '\0'), /not JSON/],
    ['another value', (text) => text.replace('web', 'wet'), /checksum/],
    ['another version', (text) => text.replace('"version": 1', '"version": 2'), /checksum/],
    ['another id', (text) => text.replace('"id": "a"', '"id": "b"'), /another network, b/],
    ['no format', (text) => text.replace('"format": 1', '"format": 0'), /format must/],
    ['an unknown key', (text) => text.replace('{', '{"more": 1,'), /unknown key "more"/],
    ['no object', () => '[]', /must be object/],
  ])('is set aside if it is damaged: %s', async (_, change, reason) => {
    await write('a', 'web')
    await write('sound', 'sound')
    await damage('a', change)
    const damaged = await readFile(join(folder, 'a.json'), 'utf8')
    const path = join(folder, 'a.json.unreadable-1')
    const { records, setAside } = await files.load()
    expect(records).toEqual([sound])
    expect(setAside).toEqual([{ path, reason: expect.stringMatching(reason) }])
    expect(await readFile(path, 'utf8')).toBe(damaged)
    expect(await files.load()).toEqual({ records: [sound], setAside: [] })
  })

  it('of a newer cnm is refused, and nothing is touched', async () => {
    await write('a', 'web')
    await write('b', 'damaged')
    await damage('a', (text) => text.replace('"format": 1', '"format": 2'))
    await damage('b', () => '')
    const before = await readdir(folder)
    await expect(files.refuseNewer()).rejects.toMatchObject({
      code: 'NEWER_VERSION',
      details: { found: 2, known: 1 },
      message: expect.stringContaining(join(folder, 'a.json')),
    })
    expect(await readdir(folder)).toEqual(before)
  })

  it('is set aside whatever character of it changes', async () => {
    await write('a', 'web')
    const text = await readFile(join(folder, 'a.json'), 'utf8')
    const change = fc.record({ at: fc.nat(text.length - 1), bit: fc.nat(6) })
    const property = fc.asyncProperty(change, async ({ at, bit }) => {
      const bytes = Buffer.from(text)
      bytes[at]! ^= 1 << bit
      await writeFile(join(folder, 'a.json'), bytes)
      const { records, setAside } = await files.load()
      // A space that became another one does no harm.
      if (setAside.length === 0) expect(records).toMatchObject([{ id: 'a', value: 'web' }])
      else expect(records).toEqual([])
      for (const { path } of setAside) await rm(path)
    })
    await fc.assert(property, { numRuns: 100 })
  })

  it('keeps every one that was set aside', async () => {
    for (const number of [1, 2, 3]) {
      await write('a', `${number}`)
      await damage('a', (text) => `${text}!`)
      const { setAside } = await files.load()
      expect(setAside).toMatchObject([{ path: join(folder, `a.json.unreadable-${number}`) }])
    }
    expect(await readdir(folder)).toHaveLength(3)
  })

  it.each<[string, (path: string) => unknown]>([
    ['a folder', (path) => mkdir(join(path, 'b'), { recursive: true })],
    ['a FIFO, which is not waited for', (path) => execFileSync('mkfifo', [path])],
    ['a device without an end', (path) => symlink('/dev/zero', path)],
  ])('is set aside if it is %s', async (_, make) => {
    await make(join(folder, 'a.json'))
    await files.refuseNewer()
    const { setAside } = await files.load()
    expect(setAside).toMatchObject([{ reason: 'it is no file' }])
    expect(await files.load()).toEqual({ records: [], setAside: [] })
  })

  it('is set aside if it leads round in a circle', async () => {
    await symlink('a.json', join(folder, 'a.json'))
    const { setAside } = await files.load()
    expect(setAside).toMatchObject([{ reason: expect.stringMatching(/ELOOP/) }])
  })
})

describe('the folder of records', () => {
  it('loses what an interrupted write left, and keeps what is not ours', async () => {
    await write('sound', 'sound')
    await writeFile(join(folder, 'a.json.tmp'), '{"format"')
    await writeFile(join(folder, 'README'), 'hands off')
    expect(await files.load()).toEqual({ records: [sound], setAside: [] })
    expect(await readdir(folder)).toEqual(['README', 'sound.json'])
  })

  it('is reported if it can not be made', async () => {
    await writeFile(join(root, 'file'), '')
    const blocked = new RecordFiles('network', join(root, 'file', 'networks'))
    await expect(blocked.load()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      details: { errno: 'ENOTDIR' },
      hint: expect.any(String),
    })
  })

  it('has no temporary file after a write that failed', async () => {
    await mkdir(join(folder, 'a.json', 'b'), { recursive: true })
    await expect(write('a', 'web')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await readdir(folder)).toEqual(['a.json'])
  })
})
