import { copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Loaded } from '../store.ts'
import { openEnvironment } from './lmdb-environment.ts'
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
const ids = ({ records }: Loaded) => records.map(({ id }) => id)

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
      'records.mdb',
      'records.mdb-lock',
    ])
  })

  it('of a newer cnm are refused, and not touched', async () => {
    await fill('a')
    await writeFile(file('format'), '3\n')
    const before = await readFile(file('records.mdb'))
    const refused = new VolatileRecords(folder).refuseNewer()
    await expect(refused).rejects.toMatchObject({ code: 'NEWER_VERSION' })
    expect(await readFile(file('records.mdb'))).toEqual(before)
    // Those of another boot are nobody's.
    await writeFile(file('boot-id'), '00000000-0000-0000-0000-000000000000\n')
    await new VolatileRecords(folder).refuseNewer()
  })

  it('of the release before, which had no format, are read', async () => {
    await fill('a')
    await rm(file('format'))
    await new VolatileRecords(folder).refuseNewer()
    expect(await look()).toMatchObject({ records: [record('a')] })
    expect(await readFile(file('format'), 'utf8')).toBe('2\n')
  })

  it('die with the boot', async () => {
    await fill('a')
    await writeFile(file('boot-id'), '00000000-0000-0000-0000-000000000000\n')
    // It isn't even opened: this would be the end of the process.
    await writeFile(file('records.mdb'), 'garbage')
    expect(await look()).toEqual(nothing)
    expect(await readFile(file('boot-id'), 'utf8')).toBe(
      await readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    )
  })

  it('are read again if an engine died while it was reading them, but only once', async () => {
    await fill('a')
    await rename(file('records.mdb'), file('previous.mdb'))
    await writeFile(file('opening'), 'x')
    expect(await look()).toEqual({ records: [record('a')], setAside: [] })
    await rename(file('records.mdb'), file('previous.mdb'))
    await writeFile(file('opening'), 'xx')
    expect(await look()).toEqual({
      records: [],
      setAside: [
        { path: file('previous.mdb.unreadable-1'), reason: expect.stringMatching(/died of it/) },
      ],
    })
    await fill('b')
    expect(await look()).toEqual({ records: [record('b')], setAside: [] })
  })

  it('are not, if there is only the marker', async () => {
    await fill('a')
    await writeFile(file('opening'), '')
    await rm(file('records.mdb'))
    expect(await look()).toEqual(nothing)
    await fill('b')
    expect(ids(await look())).toEqual(['b'])
  })

  it('are those of before if an engine died before all were written anew', async () => {
    await fill('a', 'b')
    await copyFile(file('records.mdb'), file('previous.mdb'))
    await writeFile(file('records.mdb'), 'half of a page')
    expect(ids(await look())).toEqual(['a', 'b'])
    expect(ids(await look())).toEqual(['a', 'b'])
  })

  it.each([
    ['its value', 'endpoint/a', '00000000[1,"x"]'],
    ['its value is cut', 'endpoint/a', ''],
    ['somebody else wrote it', 'strange', 'strange'],
  ])('are dropped one by one if they are damaged: %s', async (_, key, value) => {
    await fill('a', 'b')
    const environment = await openEnvironment(file('records.mdb'))
    environment.putSync(key, value)
    await environment.flushed
    await environment.close()
    const { records, setAside } = await look()
    expect(records).toContainEqual(record('b'))
    expect(setAside[0]).toEqual({
      path: file('previous.mdb.unreadable-1'),
      reason: `the record ${key} is damaged and was dropped`,
    })
    expect(await look()).toEqual({ records, setAside: [] })
  })

  it('are missed if they are lost', async () => {
    await fill('a', 'b')
    const environment = await openEnvironment(file('records.mdb'))
    environment.removeSync('endpoint/a')
    await environment.flushed
    await environment.close()
    const path = file('previous.mdb.unreadable-1')
    expect(await look()).toEqual({
      records: [record('b')],
      setAside: [{ path, reason: '1 of 2 records could be read' }],
    })
    expect(await look()).toEqual({ records: [record('b')], setAside: [] })
  })
})
