import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
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
    const head = /^@ \d{9} \d{6} [0-9a-f]{8} [0-9a-f]{8} [0-9a-f]{8}\n/.source
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

  it.each([0x01, 0x04, 0x20, 0x80])(
    'flipped at any byte (%i) tells nothing that is not so any more',
    (bits) => {
      for (let at = 0; at < sound.length; at++) {
        const flipped = Buffer.from(sound)
        flipped[at]! ^= bits
        const contents = read(flipped)
        const damaged = starts.findLastIndex((start) => start <= at)
        expect(contents.damage, `${at}`).toMatch(/^it is damaged at byte \d+: /)
        for (const [key, found] of valuesOf(contents)) {
          expect(found, `${key} at ${at}`).toEqual(valuesAfter(commits).get(key))
        }
        // What later ones tell is there.
        const later = valuesAfter(commits.slice(damaged + 1))
        for (const [key, value] of later) {
          expect(valuesOf(contents).get(key), `${key} at ${at}`).toEqual(value)
        }
      }
    },
  )

  it('with a damaged body loses what that has changed, and nothing else', () => {
    for (const [index, start] of starts.slice(0, -1).entries()) {
      const header = sound.indexOf('\n', start) + 1
      for (let at = header; at < starts[index + 1]!; at++) {
        const zeroed = Buffer.from(sound)
        zeroed.fill(0, header, at + 1)
        const lost = commits[index]!.map(([key]) => key)
        const expected = valuesAfter(commits)
        const later = valuesAfter(commits.slice(index + 1))
        for (const key of lost) if (!later.has(key)) expected.delete(key)
        expect(valuesOf(read(zeroed)), `${at}`).toEqual(expected)
      }
    }
  })

  it('with a damaged header loses no more, as long as enough of it is left', () => {
    const start = starts[3]!
    const end = sound.indexOf('\n', start)
    for (let at = start; at < end; at++) {
      const flipped = Buffer.from(sound)
      flipped[at]! ^= 1
      const found = [...valuesOf(read(flipped)).keys()]
      expect(found, `${at}`).toEqual(['endpoint/third', 'endpoint/fourth'])
    }
  })

  it('of which an entry is gone is believed from there on', () => {
    for (const [index, start] of starts.slice(0, -1).entries()) {
      const zeroed = Buffer.from(sound)
      zeroed.fill(0, start, starts[index + 1]!)
      expect(valuesOf(read(zeroed)), `${index}`).toEqual(valuesAfter(commits.slice(index + 1)))
    }
  })

  it('does not tell what a record was before a commit that is lost', () => {
    const changed = entryFor([['endpoint/third', 2, 'changed']])
    changed[changed.length - 4]! ^= 1
    const contents = read(Buffer.concat([sound, changed]))
    expect([...valuesOf(contents).keys()]).toEqual(['sandbox/second', 'endpoint/fourth'])
    expect(contents.damage).toBe(
      `it is damaged at byte ${sound.length}: 2 records could be read, and 1 that may have been ` +
        'changed where it is damaged are not believed',
    )
  })

  it.each<[string, () => Buffer]>([
    ['zeros', () => Buffer.alloc(300_000)],
    ['line ends', () => Buffer.alloc(300_000, '\n')],
    ['headers of nothing', () => Buffer.alloc(300_000, '@ 000000010 ')],
    ['random bytes', () => Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * n) >> 3))],
    ['a header that wants more than there is', () => entryOf('x'.repeat(300_000)).subarray(0, 500)],
  ])('keeps what is behind %s', (_, garbage) => {
    const middle = starts[2]!
    const parts = [sound.subarray(0, middle), garbage(), sound.subarray(middle)]
    const contents = read(Buffer.concat(parts))
    expect(contents.damage).toContain(`damaged at byte ${middle}: 3 records`)
    expect(valuesOf(contents)).toEqual(valuesAfter(commits.slice(2)))
  })

  it.each(['@ ', '@ 000000010 000001 00000000 ', '@ 000000010 990000 00000000 '])(
    'takes no time to skip %j',
    (text) => {
      const begun = performance.now()
      read(Buffer.concat([sound, Buffer.alloc(10_000_000, text), entries[0]!]))
      expect(performance.now() - begun).toBeLessThan(3000)
    },
  )

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
    const promise = '@ 999999999 000001 00000000 00000000'
    const header = `${promise} ${crc32(promise).toString(16).padStart(8, '0')}\n`
    expect(header).toHaveLength(HEADER_BYTES)
    expect(read(Buffer.concat([sound, Buffer.from(header)])).damage).toMatch(/^it is damaged at/)
    expect(readFileSync(path)).toHaveLength(sound.length + HEADER_BYTES)
  })
})
