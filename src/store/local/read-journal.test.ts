import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entryOf, firstLine, HEADER_BYTES, lineOf } from './journal-entry.ts'
import { type JournalContents, readJournal } from './read-journal.ts'

let folder: string
let path: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cnm-journal-'))
  path = join(folder, 'records.journal')
})

afterAll(() => rmSync(folder, { recursive: true }))

/** What has been committed, in words. */
type Commit = readonly (readonly [key: string, version: number, value: string | null])[]

const commits: readonly Commit[] = [
  [['endpoint/first', 1, 'creating']],
  [
    ['endpoint/first', 2, 'ready'],
    ['sandbox/second', 1, 'ä\n"@ 000000001'],
  ],
  [['endpoint/third', 1, 'stays']],
  [
    ['endpoint/first', 0, null],
    ['sandbox/second', 2, 'changed'],
  ],
  [['endpoint/fourth', 1, 'last']],
]

function entryFor(commit: Commit): Buffer {
  return entryOf(commit.map((write) => lineOf(...write)).join(''))
}

const entries = commits.map(entryFor)
const sound = Buffer.concat([Buffer.from(firstLine), ...entries])
/** Where each entry begins, and where the last one ends. */
const starts = [0, ...entries.keys()].map((_, index) => {
  return firstLine.length + Buffer.concat(entries.slice(0, index)).length
})

function read(content: Buffer | string): JournalContents {
  writeFileSync(path, content)
  return readJournal(path)
}

const valuesOf = ({ records }: JournalContents) =>
  new Map(records.map(({ kind, id, version, value }) => [`${kind}/${id}`, [version, value]]))

function valuesAfter(made: readonly Commit[]): Map<string, unknown[]> {
  const values = new Map<string, unknown[]>()
  for (const [key, version, value] of made.flat()) {
    if (version === 0) values.delete(key)
    else values.set(key, [version, value])
  }
  return values
}

describe('a journal', () => {
  it('can be read by people, too', () => {
    const head = /^@ \d{9} [0-9a-f]{8} [0-9a-f]{8}\n/.source
    expect(entries[0]!.toString()).toMatch(new RegExp(`${head}endpoint/first 1 "creating"\n$`))
    expect(sound.toString('latin1').replace(/[\x20-\x7e\n]/g, '')).toBe('')
  })

  it('says what was committed, with the version of each record', () => {
    const contents = read(sound)
    expect(contents).toMatchObject({ size: sound.length, damage: undefined })
    expect(valuesOf(contents)).toEqual(valuesAfter(commits))
  })

  it('torn at any byte is what had been committed by then', () => {
    for (let length = firstLine.length; length <= sound.length; length++) {
      const contents = read(sound.subarray(0, length))
      const whole = starts.filter((start) => start <= length).length - 1
      expect(contents.damage, `${length}`).toBeUndefined()
      expect(contents.size, `${length}`).toBe(starts[whole])
      expect(valuesOf(contents), `${length}`).toEqual(valuesAfter(commits.slice(0, whole)))
    }
  })

  it('without its first line has been damaged', () => {
    for (let length = 0; length < firstLine.length; length++) {
      expect(read(sound.subarray(0, length)), `${length}`).toMatchObject({
        records: [],
        damage: expect.stringMatching(/^it is damaged at byte 0: 0 records could be read, and 0/),
      })
    }
  })

  it.each([0x01, 0x04, 0x20, 0x80])('flipped at any byte (%i) loses one commit', (bits) => {
    for (let at = 0; at < sound.length; at++) {
      const flipped = Buffer.from(sound)
      flipped[at]! ^= bits
      const contents = read(flipped)
      const damaged = starts.findLastIndex((start) => start <= at)
      expect(contents.damage, `${at}`).toMatch(/^it is damaged at byte \d+: /)
      const left = commits.filter((_, index) => index !== damaged)
      const expected = valuesAfter(left)
      for (const [key, found] of valuesOf(contents)) {
        expect(found, `${key} at ${at}`).toEqual(expected.get(key))
        expected.delete(key)
      }
      // What the damaged one had changed isn't known any more, unless a later one has told.
      const named = damaged < 0 ? [] : commits[damaged]!.map(([key]) => key)
      for (const key of expected.keys()) expect(named, `${key} at ${at}`).toContain(key)
    }
  })

  it('does not tell what a record was before a commit that is lost', () => {
    const changed = entryFor([['endpoint/third', 2, 'changed']])
    changed[changed.length - 4]! ^= 1
    const contents = read(Buffer.concat([sound, changed]))
    expect([...valuesOf(contents).keys()]).toEqual(['sandbox/second', 'endpoint/fourth'])
    expect(contents.damage).toBe(
      `it is damaged at byte ${sound.length}: 2 records could be read, and 1 that are named where it ` +
        'is damaged are not believed',
    )
  })

  it.each<[string, () => Buffer]>([
    ['zeros', () => Buffer.alloc(300_000)],
    ['line ends', () => Buffer.alloc(300_000, '\n')],
    ['headers of nothing', () => Buffer.alloc(300_000, '@ 000000010 ')],
    ['random bytes', () => Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * n) >> 3))],
    ['a header that wants more than there is', () => entryOf('x'.repeat(300_000)).subarray(0, 500)],
  ])('keeps what is on both sides of %s', (_, garbage) => {
    const middle = starts[2]!
    const parts = [sound.subarray(0, middle), garbage(), sound.subarray(middle)]
    const contents = read(Buffer.concat(parts))
    expect(contents.damage).toContain(`damaged at byte ${middle}: 3 records`)
    expect(valuesOf(contents)).toEqual(valuesAfter(commits))
  })

  it('of entries that are larger than what is read at once is read', () => {
    const large = 'x'.repeat(1_000_000)
    const entry = entryFor([['endpoint/large', 1, large]])
    const contents = read(Buffer.concat([sound, entry, entries[0]!]))
    expect(valuesOf(contents).get('endpoint/large')).toEqual([1, large])
    expect(valuesOf(contents).get('endpoint/first')).toEqual([1, 'creating'])
  })

  it.each(['no key\n', 'endpoint/x 1 {"a":\n', 'endpoint/x y 1\n', 'x', '\n'])(
    'with %j in a sound entry tells that',
    (lines) => {
      const contents = read(Buffer.concat([sound, entryOf(lines)]))
      expect(valuesOf(contents)).toEqual(valuesAfter(commits))
      expect(contents.damage).toMatch(/^it is damaged: 3 records could be read, and 1 /)
    },
  )

  it('has no entry of more than can be read', () => {
    const header = entryOf('').toString().replace('000000000', '999999999')
    expect(header).toHaveLength(HEADER_BYTES)
    expect(read(Buffer.concat([sound, Buffer.from(header)])).damage).toMatch(/^it is damaged at/)
    expect(readFileSync(path)).toHaveLength(sound.length + HEADER_BYTES)
  })
})
