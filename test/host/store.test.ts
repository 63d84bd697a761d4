import { spawn } from 'node:child_process'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { handBackRecords } from '#dist/store/local/hand-over.js'
import { local } from '#dist/store/local/local.js'
import type { Loaded, StoredRecord } from '#dist/store/store.js'
import { run } from '../support/run.ts'

const child = fileURLToPath(new URL('../support/store-child.mjs', import.meta.url))

let root: string
let stateDir: string
let runDir: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnm-store-'))
  stateDir = join(root, 'state')
  runDir = join(root, 'run')
})

afterEach(() => rm(root, { recursive: true }))

const inChild = (mode: string) => [process.execPath, child, mode, stateDir, runDir] as const

/** What the child says, a line each. */
function lines(output: string): unknown[] {
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** The child's mode after shell commands in a mount namespace of its own. */
async function mounted(
  commands: string,
  mode: string,
  ...args: readonly string[]
): Promise<unknown[]> {
  const script = `set -e\n${commands}\nexec "$@"`
  return lines(
    await run([
      'unshare',
      '-m',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      'sh',
      ...inChild(mode),
      ...args,
    ]),
  )
}

async function load(): Promise<Loaded> {
  const store = local({ stateDir, runDir })
  try {
    return await store.load()
  } finally {
    await store.close()
  }
}

describe('records that a release with LMDB has left', () => {
  const page = 4096
  let folder: string
  let sound: Buffer

  const contentOf = (id: string, version: number) => `${id} ${version} ${'x'.repeat(version * 37)}`

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cnm-sound-'))
    const store = local({ stateDir: join(folder, 'state'), runDir: join(folder, 'run') })
    await store.load()
    for (let n = 0; n < 400; n++) {
      const id = `e${n % 100}`
      await store.commit([{ kind: 'endpoint', id, value: contentOf(id, 1 + Math.floor(n / 100)) }])
    }
    await store.close()
    await handBackRecords(join(folder, 'run'))
    sound = await readFile(join(folder, 'run/records/previous.mdb'))
    return () => rm(folder, { recursive: true })
  })

  /** As that one has left them, but for what is in the file. */
  async function leave(file: Buffer): Promise<void> {
    await cp(join(folder, 'run'), runDir, { recursive: true })
    await rm(join(runDir, 'records/previous.mdb'))
    await writeFile(join(runDir, 'records/records.mdb'), file)
  }

  /** This process goes on, whatever becomes of the one that reads the file. */
  async function survives(file: Buffer): Promise<void> {
    await leave(file)
    const found = await load()
    for (const { id, version, value } of found.records) expect(value).toBe(contentOf(id, version))
    if (found.records.length < 100) expect(found.setAside).not.toEqual([])
    for (const { path } of found.setAside) {
      expect(path).toBe(join(runDir, 'records/records.mdb.unreadable-1'))
      expect(await readFile(path)).toEqual(file)
    }
    expect(await load()).toEqual({ records: found.records, setAside: [] })
  }

  it('are in the file that it knows, and no other', async () => {
    expect((await readdir(join(folder, 'run/records'))).sort()).toEqual([
      'boot-id',
      'format',
      'previous.mdb',
    ])
    expect(await readFile(join(folder, 'run/records/format'), 'utf8')).toBe('2\n')
  })

  it('are read once, with their versions, and then in the journal', async () => {
    await leave(sound)
    const { records, setAside } = await load()
    expect(setAside).toEqual([])
    expect(records).toHaveLength(100)
    for (const { id, version, value } of records) {
      expect([version, value]).toEqual([4, contentOf(id, 4)])
    }
    expect((await readdir(join(runDir, 'records'))).sort()).toEqual([
      'boot-id',
      'format',
      'previous.mdb',
      'records.journal',
      'records.mdb',
      'reserve',
    ])
    expect(await load()).toEqual({ records, setAside: [] })
    // It can go back and forth.
    await handBackRecords(runDir)
    const again = await load()
    expect(again.setAside).toEqual([])
    expect(sorted(again)).toEqual(sorted({ records }))
  })

  it.each(['previous.mdb', 'records.mdb'])(
    'are not lost if handing them back ends at the folder %s, and the release before refuses',
    async (blocked) => {
      await leave(sound)
      const { records } = await load()
      const inTheWay = join(runDir, 'records', blocked, 'in-the-way')
      await writeFile(inTheWay, '')
      await expect(handBackRecords(runDir)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await rm(inTheWay)
      // Whatever it writes, if it is started after all, is newer by its format.
      expect(await readFile(join(runDir, 'records/format'), 'utf8')).toBe('2\n')
      expect((await stat(join(runDir, 'records/records.mdb'))).isDirectory()).toBe(true)
      await writeFile(join(runDir, 'records/written.mdb-lock'), '')
      const found = await load()
      expect(found.setAside).toEqual([])
      expect(sorted(found)).toEqual(sorted({ records }))
      expect(await readdir(join(runDir, 'records'))).not.toContain('written.mdb-lock')
    },
  )

  it('are neither read nor written by a process that has lost its parent', async () => {
    await leave(sound)
    await load()
    const lmdb = fileURLToPath(new URL('../../dist/store/local/lmdb-child.js', import.meta.url))
    const written = join(root, 'written')
    const journal = join(runDir, 'records/records.journal')
    const mdb = join(folder, 'run/records/previous.mdb')
    const orphan = (...task: string[]) => run([process.execPath, lmdb, ...task, '1'])
    await expect(orphan('read', mdb, written)).rejects.toThrow()
    await expect(orphan('write', journal, written)).rejects.toThrow()
    expect(await readdir(root)).not.toContain('written')
  })

  it('count more than the journal from before', async () => {
    const store = local({ stateDir, runDir })
    await store.load()
    await store.commit([{ kind: 'endpoint', id: 'older', value: 1 }])
    await store.close()
    const journal = await readFile(join(runDir, 'records/records.journal'))
    await rm(runDir, { recursive: true })
    await leave(sound)
    await writeFile(join(runDir, 'records/records.journal'), journal)
    expect((await load()).records).toHaveLength(100)
  })

  it('are set aside where there is no lmdb, and nothing can be handed back', async () => {
    const bare = join(root, 'bare')
    await cp(fileURLToPath(new URL('../../dist', import.meta.url)), join(bare, 'dist'), {
      recursive: true,
    })
    await writeFile(join(bare, 'package.json'), '{"type":"module"}')
    await mkdir(join(bare, 'node_modules'))
    const typebox = fileURLToPath(new URL('../../node_modules/typebox', import.meta.url))
    await symlink(typebox, join(bare, 'node_modules/typebox'))
    await leave(sound)
    const text = `
      import { local } from './dist/store/local/local.js'
      import { requireLmdb } from './dist/store/local/hand-over.js'
      const store = local({ stateDir: ${JSON.stringify(stateDir)}, runDir: ${JSON.stringify(runDir)} })
      console.log(JSON.stringify(await store.load()))
      await store.close()
      await requireLmdb().catch(({ code, hint }) => console.log(JSON.stringify({ code, hint })))`
    await writeFile(join(bare, 'load.mjs'), text)
    const [loaded, refusal] = lines(await run([process.execPath, join(bare, 'load.mjs')]))
    const reason =
      'the optional package "lmdb", which is needed for it, is not installed, so none of its records could be read'
    const path = join(runDir, 'records/records.mdb.unreadable-1')
    expect(loaded).toEqual({ records: [], setAside: [{ path, reason }] })
    expect(await readFile(path)).toEqual(sound)
    expect(refusal).toEqual({
      code: 'STORE_UNAVAILABLE',
      hint: expect.stringMatching(/npm install lmdb/),
    })
  })

  it.each([
    ['nothing', 0],
    ['its first page', page],
    ['its half', 0.5],
    ['all but a page', -page],
  ])('may be truncated to %s', async (_, size) => {
    await survives(sound.subarray(0, size === 0.5 ? (sound.length >> 13) * page : size))
  })

  it.each([0, 1, 2, 5, 7, 9, 10])('may have page %i zeroed', async (number) => {
    const file = Buffer.from(sound)
    file.fill(0, number * page, (number + 1) * page)
    await survives(file)
  })

  it.each([1, 2, 3, 4])('may have twenty bits flipped (%i)', async (seed) => {
    const file = Buffer.from(sound)
    const random = randomOf(seed)
    for (let n = 0; n < 20; n++) file[random(file.length)]! ^= 1 << random(8)
    await survives(file)
  })

  it.each([1, 2, 3])('may have a page of garbage (%i)', async (seed) => {
    const file = Buffer.from(sound)
    const random = randomOf(seed)
    const start = random(file.length / page) * page
    for (let n = 0; n < page; n++) file[start + n] = random(256)
    await survives(file)
  })

  it('may be nothing but garbage', async () => {
    const random = randomOf(1)
    await survives(Buffer.from(Array.from({ length: 8 * page }, () => random(256))))
  })
})

function sorted({ records }: Pick<Loaded, 'records'>): StoredRecord[] {
  return [...records].sort((a, b) => (a.id < b.id ? -1 : 1))
}

describe('a disk that refuses', () => {
  const full = { code: 'STORE_UNAVAILABLE', hint: expect.stringMatching(/full/) }

  it('is full during a commit: nothing of it is written, and the store goes on', async () => {
    await mkdir(runDir)
    const output = await mounted(
      `mount -t tmpfs -o size=800k none ${runDir}; head -c 200k /dev/zero > ${runDir}/room`,
      'fill',
    )
    expect(output).toEqual([expect.objectContaining(full), 'went on'])
    expect(output[0]).toMatchObject({ count: expect.any(Number) })
    expect((output[0] as { count: number }).count).toBeGreaterThan(50)
  })

  it('is full of records: they can be deleted there, and others take their place', async () => {
    await mkdir(runDir)
    const output = await mounted(`mount -t tmpfs -o size=800k none ${runDir}`, 'empty')
    expect(output).toEqual([
      expect.objectContaining(full),
      expect.objectContaining(full),
      'went on',
      50,
    ])
    expect((output[0] as { count: number }).count).toBeGreaterThan(600)
  })

  it('is full of other things: records can be deleted even so', async () => {
    await mkdir(runDir)
    const commands = `mount -t tmpfs -o size=600k none ${runDir}; head -c 400k /dev/zero > ${runDir}/room`
    const output = await mounted(commands, 'empty')
    expect(output.slice(-2)).toEqual(['went on', 50])
  })

  it.each([
    ['256k', '100'],
    ['256k', '900'],
    ['2m', '10'],
    ['2m', '900'],
  ])('of %s is full of records of %s bytes: each of them can be deleted', async (size, bytes) => {
    await mkdir(runDir)
    const output = await mounted(`mount -t tmpfs -o size=${size} none ${runDir}`, 'turns', bytes)
    expect(output).toEqual([expect.objectContaining(full), 'went on', 50])
    expect((output[0] as { count: number }).count).toBeGreaterThan(100)
  })

  it.each([
    ['0', 0],
    ['20k', 1],
    ['60k', 1],
  ])('is full but for %s at the start', async (free, loaded) => {
    await mkdir(runDir)
    const commands = [
      `mount -t tmpfs -o size=400k none ${runDir}`,
      `head -c ${free} /dev/zero > ${runDir}/free`,
      `cat /dev/zero > ${runDir}/rest 2> /dev/null || rm ${runDir}/free`,
    ]
    const output = await mounted(commands.join('\n'), 'use')
    expect(output).toHaveLength(loaded + 1)
    expect(output.at(-1)).toEqual(expect.objectContaining(full))
  })

  it('is read-only where the networks are', async () => {
    await run(inChild('network'))
    const output = await mounted(
      `mount --bind ${stateDir} ${stateDir}; mount -o remount,bind,ro ${stateDir}`,
      'network',
    )
    expect(output).toEqual([
      { code: 'STORE_UNAVAILABLE', errno: 'EROFS', hint: expect.stringMatching(/read-only/) },
    ])
    // Nothing of the commit was written.
    expect((await load()).records.map(({ version }) => version)).toEqual([1, 1])
  })

  it('is full where the networks are', async () => {
    await mkdir(stateDir)
    const output = await mounted(
      `mount -t tmpfs -o size=64k none ${stateDir}
       cat /dev/zero > ${stateDir}/rest 2> /dev/null || true
       mkdir ${stateDir}/networks`,
      'network',
    )
    expect(output).toEqual([expect.objectContaining({ ...full, errno: 'ENOSPC' })])
    expect((await load()).records).toEqual([])
  })
})

describe('a writer that is killed', () => {
  /** Lets the child commit, kills it at its line `count`; answers with the last line it said. */
  async function killedAfter(count: number): Promise<number> {
    const [file, ...args] = inChild('write')
    const writer = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const timer = setTimeout(() => writer.kill('SIGKILL'), 10_000)
    let output = ''
    writer.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.split('\n').length > count) writer.kill('SIGKILL')
    })
    await new Promise((resolve) => writer.on('close', resolve))
    clearTimeout(timer)
    return Number(output.trim().split('\n').at(-1))
  }

  it('has committed all of a commit or nothing, at 50 points', async () => {
    const random = randomOf(50)
    for (let round = 0; round < 50; round++) {
      await rm(runDir, { recursive: true, force: true })
      await rm(stateDir, { recursive: true, force: true })
      const said = await killedAfter(1 + random(60))
      expect(said).toBeGreaterThan(0)
      const { records, setAside } = await load()
      expect(setAside).toEqual([])
      const values = new Map(records.map(({ id, value }) => [id, value as number]))
      const last = values.get('a')!
      expect([said, said + 1]).toContain(last)
      expect(values.get('c')).toBe(last)
      expect(values.get(`b${last % 7}`)).toBe(last)
      expect(records.find(({ id }) => id === 'c')?.version).toBe(last)
      const fives = [Math.floor(last / 5) * 5, Math.floor((last + 1) / 5) * 5]
      expect(fives).toContain(values.get('n') ?? 0)
    }
  }, 120_000)
})

/** Numbers below a bound, the same ones every time. */
function randomOf(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % bound
  }
}
