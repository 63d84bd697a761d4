import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MOST_BYTES, readBounded } from './bounded-file.ts'

let folder: string
const at = (name: string) => join(folder, name)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cnm-bounded-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

describe('a file that others may have put there', () => {
  it.each([0, 1, 4095, 4096, 4097, 100_000, MOST_BYTES])('is read whole: %i bytes', (size) => {
    const bytes = Buffer.alloc(size, 'libcnm')
    writeFileSync(at('file'), bytes)
    expect(readBounded(at('file'))?.equals(bytes)).toBe(true)
  })

  it('is not read beyond the most there may be', () => {
    writeFileSync(at('large'), Buffer.alloc(MOST_BYTES + 1))
    expect(readBounded(at('large'))).toBeUndefined()
    expect(readBounded(at('large'), { most: MOST_BYTES + 1 })).toHaveLength(MOST_BYTES + 1)
    truncateSync(at('large'), 2 ** 42)
    expect(readBounded(at('large'))).toBeUndefined()
  })

  it('is read where the kernel makes it up, as far as it goes', () => {
    expect(readBounded('/proc/self/stat')?.toString()).toMatch(/^\d+ \(/)
    expect(readBounded('/proc/self/maps', { most: 100 })).toBeUndefined()
  })

  it('is not waited for, and not followed unless that is wanted', () => {
    execFileSync('mkfifo', [at('pipe')])
    mkdirSync(at('folder'))
    writeFileSync(at('other'), 'other')
    symlinkSync('other', at('link'))
    symlinkSync('/dev/zero', at('endless'))
    symlinkSync('circle', at('circle'))
    for (const name of ['pipe', 'folder', 'link', 'endless', 'circle', 'nothing', 'other/below']) {
      expect(readBounded(at(name)), name).toBeUndefined()
    }
    expect(readBounded(at('link'), { follow: true })?.toString()).toBe('other')
    for (const name of ['pipe', 'endless', 'circle', 'nothing', 'folder']) {
      expect(readBounded(at(name), { follow: true }), name).toBeUndefined()
    }
  })

  it('leaves no descriptor open', () => {
    const open = () => execFileSync('ls', [`/proc/${process.pid}/fd`], { encoding: 'utf8' })
    const before = open().split('\n').length
    for (let n = 0; n < 50; n += 1) {
      for (const name of ['file', 'large', 'pipe', 'folder', 'nothing']) readBounded(at(name))
    }
    expect(open().split('\n').length).toBeLessThan(before + 10)
  })
})
