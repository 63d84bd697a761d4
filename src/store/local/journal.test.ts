import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Journal } from './journal.ts'
import { entryOf, lineOf } from './journal-entry.ts'
import { readJournal } from './read-journal.ts'

vi.mock('node:fs', { spy: true })

let folder: string
let path: string
let journal: Journal

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'cnm-journal-'))
  path = join(folder, 'records.journal')
  journal = Journal.create(path, [lineOf('endpoint/first', 1, 'here')])
})

afterEach(() => {
  vi.mocked(fs.writeSync).mockReset()
  vi.mocked(fs.ftruncateSync).mockReset()
  journal.close()
  fs.rmSync(folder, { recursive: true })
})

const append = (id: string) => journal.append(entryOf(lineOf(`endpoint/${id}`, 1, 'x'.repeat(100))))
const ids = () => readJournal(path).records.map(({ id }) => id)

function refusal(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** The disk is full after so many bytes. */
function takeOnly(bytes: number): void {
  vi.mocked(fs.writeSync).mockImplementationOnce((fd, buffer) => {
    return fs.writevSync(fd, [(buffer as unknown as Buffer).subarray(0, bytes)])
  })
  vi.mocked(fs.writeSync).mockImplementationOnce(() => {
    throw refusal('ENOSPC')
  })
}

function refuseToCut(): void {
  vi.mocked(fs.ftruncateSync).mockImplementationOnce(() => {
    throw refusal('EIO')
  })
}

describe('an entry of which the disk takes only a part', () => {
  it('is not there, and the next one is', () => {
    const before = fs.readFileSync(path)
    takeOnly(50)
    expect(() => append('second')).toThrow('ENOSPC')
    expect(fs.readFileSync(path)).toEqual(before)
    expect(journal.size).toBe(before.length)
    append('third')
    expect(ids()).toEqual(['first', 'third'])
  })

  it('is written on if there was only an interruption', () => {
    vi.mocked(fs.writeSync).mockImplementationOnce((fd, buffer) => {
      return fs.writevSync(fd, [(buffer as unknown as Buffer).subarray(0, 50)])
    })
    append('second')
    expect(ids()).toEqual(['first', 'second'])
    expect(fs.statSync(path).size).toBe(journal.size)
  })

  it('that can’t be cut off is cut off before the next one, which is refused until then', () => {
    takeOnly(50)
    refuseToCut()
    expect(() => append('second')).toThrow('ENOSPC')
    expect(fs.statSync(path).size).toBe(journal.size + 50)
    // A crash now would find the beginning of an entry.
    expect(readJournal(path)).toMatchObject({ size: journal.size, damage: undefined })
    refuseToCut()
    expect(() => append('third')).toThrow('EIO')
    append('fourth')
    expect(readJournal(path).damage).toBeUndefined()
    expect(ids()).toEqual(['first', 'fourth'])
  })

  it('is all that is lost of a journal that is made', () => {
    const next = join(folder, 'next.journal')
    takeOnly(5)
    expect(() => Journal.create(next)).toThrow('ENOSPC')
    expect(fs.existsSync(next)).toBe(false)
  })
})

it('is a file of its own, whatever another process still does with the one that was there', () => {
  const next = join(folder, 'next.journal')
  const orphan = Journal.create(next)
  const mine = Journal.create(next, [lineOf('endpoint/mine', 1, 'here')])
  orphan.append(entryOf(lineOf('endpoint/theirs', 1, 'there')))
  expect(readJournal(next).records.map(({ id }) => id)).toEqual(['mine'])
  orphan.close()
  mine.close()
})
