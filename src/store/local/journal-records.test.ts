import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Loaded } from '../store.ts'
import { JournalRecords } from './journal-records.ts'

let root: string
let folder: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cnm-journal-'))
  folder = join(root, 'records')
  mkdirSync(folder)
})

afterEach(() => rmSync(root, { recursive: true }))

const file = (name: string) => join(folder, name)
const sizeNow = () => statSync(file('records.journal')).size
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Records, and what is to be there of them. */
class Bench {
  readonly expected = new Map<string, { readonly version: number; readonly value: string }>()
  records = new JournalRecords(folder)

  async restart(): Promise<Loaded> {
    this.records.close()
    this.records = new JournalRecords(folder)
    return this.records.load()
  }

  write(id: string, value: string | null): void {
    this.writeAll([[id, value]])
  }

  writeAll(writes: readonly (readonly [id: string, value: string | null])[]): void {
    this.records.commit(
      writes.map(([id, value]) => {
        const before = this.expected.get(id)?.version ?? 0
        const version = value === null ? 0 : before + 1
        return { kind: 'endpoint', id, key: `endpoint/${id}`, before, version, value }
      }),
    )
    for (const [id, value] of writes) {
      if (value === null) this.expected.delete(id)
      else this.expected.set(id, { version: (this.expected.get(id)?.version ?? 0) + 1, value })
    }
  }

  /** Until it is time to write it anew. */
  fill(): void {
    for (let n = 0; !existsSync(file('next.journal')); n++) this.write(`id${n % 20}`, 'x'.repeat(n))
  }
}

function contentOf({ records }: Loaded): Map<string, unknown> {
  return new Map(records.map(({ id, version, value }) => [id, { version, value }]))
}

let copies = 0

/** Copies the folder, as a crash would leave it now; answers with what a start finds there. */
function afterCrash(): () => Promise<Loaded> {
  const copy = join(root, `copy${copies++}`)
  cpSync(folder, copy, { recursive: true })
  return async () => {
    const records = new JournalRecords(copy)
    try {
      return await records.load()
    } finally {
      records.close()
      expect(readdirSync(copy)).not.toContain('next.journal')
      rmSync(copy, { recursive: true })
    }
  }
}

let bench: Bench

beforeEach(async () => {
  bench = new Bench()
  expect(await bench.records.load()).toEqual({ records: [], setAside: [] })
})

afterEach(() => bench.records.close())

describe('records in a journal', () => {
  it('are there after a restart, and what deletes nothing isn’t written', async () => {
    bench.write('a', 'one')
    bench.write('b', 'two')
    bench.write('a', null)
    const size = sizeNow()
    bench.write('a', null)
    expect(sizeNow()).toBe(size)
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
    bench.write('a', 'again')
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
    bench.records.takeReserve()
    expect(readdirSync(folder).sort()).toEqual(['records.journal', 'reserve'])
    expect(readFileSync(file('reserve'))).toEqual(Buffer.alloc(64 * 1024))
  })

  it('go on after a commit that was cut off', async () => {
    bench.write('a', 'one')
    const whole = readFileSync(file('records.journal'))
    bench.write('b', 'two')
    const torn = sizeNow() - 3
    bench.expected.delete('b')
    writeFileSync(file('records.journal'), readFileSync(file('records.journal')).subarray(0, torn))
    expect(await bench.restart()).toMatchObject({ setAside: [] })
    expect(readFileSync(file('records.journal'))).toEqual(whole)
    bench.write('c', 'three')
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })

  it('are set aside if they are damaged, and go on with all that is sound', async () => {
    for (const id of ['first', 'second', 'third']) bench.write(id, id)
    const damaged = readFileSync(file('records.journal'), 'latin1').replace('"second"', '"Second"')
    writeFileSync(file('records.journal'), damaged)
    bench.expected.delete('second')
    const loaded = await bench.restart()
    expect(contentOf(loaded)).toEqual(bench.expected)
    const aside = file('records.journal.unreadable-1')
    expect(loaded.setAside).toEqual([
      { path: aside, reason: expect.stringMatching(/^it is damaged at byte \d+: 2 records/) },
    ])
    expect(readFileSync(aside, 'latin1')).toBe(damaged)
    // It may have been broken off when that was done, and before the new one was in its place.
    rmSync(file('records.journal'))
    linkSync(aside, file('records.journal'))
    writeFileSync(file('next.journal'), 'half of it')
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
    bench.write('third', 'changed')
    const again = await bench.restart()
    expect(again.setAside).toEqual([])
    expect(contentOf(again)).toEqual(bench.expected)
  })

  it('are those of a map, whatever is committed, restarted and waited for', async () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd')
    const value = fc.oneof(fc.constant(null), fc.string(), fc.constant('x'.repeat(40_000)))
    const action = fc.oneof(
      { weight: 8, arbitrary: fc.uniqueArray(fc.tuple(id, value), { selector: ([it]) => it }) },
      { weight: 2, arbitrary: fc.constant('turn' as const) },
      { weight: 1, arbitrary: fc.constantFrom('restart' as const, 'crash' as const) },
    )
    const play = async (
      actions: readonly (typeof action extends fc.Arbitrary<infer T> ? T : 0)[],
    ) => {
      rmSync(folder, { recursive: true })
      mkdirSync(folder)
      bench.records.close()
      bench = new Bench()
      await bench.records.load()
      for (const each of actions) {
        if (each === 'turn') await turn()
        else if (each === 'restart')
          expect(contentOf(await bench.restart())).toEqual(bench.expected)
        else if (each === 'crash') expect(contentOf(await afterCrash()())).toEqual(bench.expected)
        else bench.writeAll(each)
      }
      expect(contentOf(await bench.restart())).toEqual(bench.expected)
    }
    await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 60 }), play), { numRuns: 60 })
  })
})

describe('writing the journal anew', () => {
  it('takes place while others commit, and can be broken off at every step', async () => {
    for (let n = 0; n < 500; n++) bench.write(`old${n}`, 'x'.repeat(2000))
    bench.fill()
    const large = sizeNow()
    const crashes: (readonly [found: () => Promise<Loaded>, expected: Map<string, unknown>])[] = []
    for (let turns = 0; existsSync(file('next.journal')); turns++) {
      crashes.push([afterCrash(), new Map(bench.expected)])
      bench.writeAll([
        [`old${turns}`, null],
        [`id${turns % 20}`, 'changed'],
        [`new${turns}`, 'new'],
      ])
      bench.write(`new${turns - 2}`, null)
      crashes.push([afterCrash(), new Map(bench.expected)])
      await turn()
    }
    expect(crashes.length).toBeGreaterThan(10)
    for (const [found, expected] of crashes) expect(contentOf(await found())).toEqual(expected)
    expect(sizeNow()).toBeLessThan(large / 1.5)
    expect(contentOf(await afterCrash()())).toEqual(bench.expected)
    // And it goes on in the new one.
    bench.write('after', 'all')
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })

  it('goes on within a commit of many records', async () => {
    const many = Array.from({ length: 20_000 }, (_, n) => [`many${n}`, 'x'.repeat(100)] as const)
    bench.writeAll(many)
    bench.writeAll(many.map(([id]) => [id, 'y'.repeat(100)]))
    bench.writeAll(many.map(([id]) => [id, 'z']))
    let turns = 0
    for (; existsSync(file('next.journal')); turns++) {
      bench.writeAll([
        [`many${19_000 - turns}`, null],
        [`many${turns}`, 'changed'],
      ])
      await turn()
    }
    expect(turns).toBeGreaterThan(40)
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })

  it('keeps it in proportion to what there is', async () => {
    for (let n = 0; n < 20_000; n++) {
      bench.write(`id${n % 10}`, 'x'.repeat(100))
      if (n % 10 === 0) await turn()
    }
    expect(sizeNow()).toBeLessThan(512 * 1024)
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })

  it('that fails fails no commit, and is not tried again at once', async () => {
    mkdirSync(file('next.journal'))
    for (let n = 0; n < 3000; n++) bench.write('a', 'x'.repeat(200))
    await turn()
    const size = sizeNow()
    rmdirSync(file('next.journal'))
    bench.write('a', 'later')
    await turn()
    expect(sizeNow()).toBeGreaterThan(size)
    while (sizeNow() >= size) {
      bench.write('a', 'x'.repeat(2000))
      await turn()
    }
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })

  it('does not make a damaged one look sound', async () => {
    bench.fill()
    const content = readFileSync(file('records.journal'))
    content[5000]! ^= 1
    writeFileSync(file('records.journal'), content)
    while (existsSync(file('next.journal'))) await turn()
    expect((await bench.restart()).setAside).toHaveLength(1)
  })

  it('that can’t take the place of the other one is broken off', async () => {
    bench.fill()
    const content = readFileSync(file('records.journal'))
    // By other hands.
    rmSync(file('records.journal'))
    mkdirSync(file('records.journal'))
    while (existsSync(file('next.journal'))) await turn()
    bench.write('after', 'all')
    rmdirSync(file('records.journal'))
    writeFileSync(file('records.journal'), content)
    bench.expected.delete('after')
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })

  it('ends with the store', async () => {
    bench.fill()
    bench.records.close()
    expect(existsSync(file('next.journal'))).toBe(false)
    await turn()
    expect(contentOf(await bench.restart())).toEqual(bench.expected)
  })
})
