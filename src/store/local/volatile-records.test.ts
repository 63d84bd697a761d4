import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Loaded } from '../store.ts'
import { VolatileRecords } from './volatile-records.ts'

let root: string
let folder: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnm-volatile-'))
  folder = join(root, 'run', 'records')
})

afterEach(() => rm(root, { recursive: true }))

const file = (name: string) => join(folder, name)
const record = (id: string) => ({ kind: 'endpoint' as const, id, version: 1, value: { id } })

async function start<T>(use: (loaded: Loaded, records: VolatileRecords) => T): Promise<T> {
  const records = new VolatileRecords(folder)
  try {
    return use(await records.load(), records)
  } finally {
    await records.close()
  }
}

function fill(...names: string[]): Promise<void> {
  return start((_, records) => {
    records.commit(names.map((id) => ({ ...record(id), key: `endpoint/${id}`, before: 0 })))
  })
}

const look = () => start((loaded) => loaded)
const nothing: Loaded = { records: [], setAside: [] }

describe('volatile records', () => {
  it('are there after a restart', async () => {
    await fill('a', 'b')
    expect(await look()).toEqual({ records: [record('a'), record('b')], setAside: [] })
    expect((await readdir(folder)).sort()).toEqual([
      'boot-id',
      'format',
      // Folders: what the releases with LMDB stumble over.
      'previous.mdb',
      'records.journal',
      'records.mdb',
      'reserve',
    ])
    expect(await readFile(file('format'), 'utf8')).toBe('3\n')
  })

  it('of a newer cnm are refused, and not touched', async () => {
    await fill('a')
    await writeFile(file('format'), '4\n')
    const before = await readFile(file('records.journal'))
    const refused = new VolatileRecords(folder).refuseNewer()
    await expect(refused).rejects.toMatchObject({ code: 'NEWER_VERSION' })
    expect(await readFile(file('records.journal'))).toEqual(before)
    // Those of another boot have no owner.
    await writeFile(file('boot-id'), '00000000-0000-0000-0000-000000000000\n')
    await new VolatileRecords(folder).refuseNewer()
  })

  it('die with the boot', async () => {
    await fill('a')
    await writeFile(file('boot-id'), '00000000-0000-0000-0000-000000000000\n')
    expect(await look()).toEqual(nothing)
    expect(await readFile(file('boot-id'), 'utf8')).toBe(
      await readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    )
  })

  it.each(['\r\n', '', '\n\n'])(
    'are of this boot however the line of its id ends: %j',
    async (end) => {
      await fill('a')
      await writeFile(file('boot-id'), `${(await readFile(file('boot-id'), 'utf8')).trim()}${end}`)
      expect(await look()).toEqual({ records: [record('a')], setAside: [] })
    },
  )

  it.each(['', 'strange'])(
    'are set aside where it isn’t known which boot they are of: %j',
    async (id) => {
      await fill('a')
      await writeFile(file('boot-id'), id)
      await writeFile(file('format'), '4\n')
      const reason = 'it does not say which boot its records belong to'
      const path = `${folder}.unreadable-1`
      expect(await look()).toEqual({ records: [], setAside: [{ path, reason }] })
      expect(await readFile(join(path, 'records.journal'), 'utf8')).toContain('endpoint/a 1')
      expect(await look()).toEqual(nothing)
    },
  )

  it.each(['records.journal', 'next.journal', 'reserve', 'format', 'opening'])(
    'go on where a folder, a FIFO or a link is in the way: %s',
    async (name) => {
      await fill('a')
      const obstacles = [
        () => mkdir(file(name)),
        async () => spawnSync('mkfifo', [file(name)]),
        () => symlink('none', file(name)),
      ]
      for (const [index, obstruct] of obstacles.entries()) {
        await rm(file(name), { recursive: true, force: true })
        await obstruct()
        await new VolatileRecords(folder).refuseNewer()
        const found = await look()
        const path = `${file(name)}.unreadable-${index + 1}`
        expect(found.setAside).toEqual([{ path, reason: `what is at ${file(name)} is no file` }])
        expect(found.records).toEqual(name === 'records.journal' ? [] : [record('a')])
      }
      expect((await look()).setAside).toEqual([])
    },
  )

  it('are set aside where a FIFO is in place of the boot’s id', async () => {
    await fill('a')
    await rm(file('boot-id'))
    spawnSync('mkfifo', [file('boot-id')])
    await new VolatileRecords(folder).refuseNewer()
    expect((await look()).setAside).toHaveLength(1)
  })

  it.each(['', '2\n'])(
    'go on where a start was broken off before it wrote its format (%j)',
    async (format) => {
      await fill('a')
      await writeFile(file('format'), format)
      await rm(file('previous.mdb'), { recursive: true })
      expect(await look()).toEqual({ records: [record('a')], setAside: [] })
      expect(await readFile(file('format'), 'utf8')).toBe('3\n')
    },
  )

  it('are in the journal, whatever a start that was broken off has not removed yet', async () => {
    await fill('a')
    await rm(file('records.mdb'), { recursive: true })
    await writeFile(file('records.mdb'), 'older ones')
    await writeFile(file('records.mdb-lock'), '')
    await writeFile(file('opening'), 'x')
    expect(await look()).toEqual({ records: [record('a')], setAside: [] })
    expect(await readdir(folder)).not.toContain('opening')
    expect(await readdir(file('records.mdb'))).toEqual([])
  })

  it('that lmdb can’t be asked for are set aside', async () => {
    await mkdir(folder, { recursive: true })
    await writeFile(file('boot-id'), await readFile('/proc/sys/kernel/random/boot_id'))
    await writeFile(file('records.mdb'), 'incomplete')
    await writeFile(file('previous.mdb'), 'what counts')
    await writeFile(file('records.journal'), 'older')
    // Nothing has been built here that could read them.
    const path = file('previous.mdb.unreadable-1')
    expect(await look()).toEqual({
      records: [],
      setAside: [
        { path, reason: expect.stringMatching(/^the process for it failed: .*none of its/) },
        {
          path: file('records.journal.unreadable-1'),
          reason: `it is older than ${file('previous.mdb')}`,
        },
      ],
    })
    expect(await readFile(path, 'utf8')).toBe('what counts')
    expect(await readFile(file('records.journal.unreadable-1'), 'utf8')).toBe('older')
    expect(await look()).toEqual(nothing)
  })
})
