import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readFileOf, realPathOf, replaceFile } from './oci-files.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cnm-oci-files-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

it('replaces a file by one with the same rights, where a link leads', () => {
  const [path, link] = [join(folder, 'config.json'), join(folder, 'link')]
  writeFileSync(path, 'old')
  chmodSync(path, 0o640)
  symlinkSync('config.json', link)
  // Others can give nothing away.
  if (process.getuid?.() === 0) chownSync(path, 71, 72)
  const before = statSync(path)
  replaceFile(realPathOf(link), 'new')
  expect(readFileSync(path, 'utf8')).toBe('new')
  const { mode, uid, gid, ino } = statSync(path)
  expect({ mode, uid, gid }).toEqual({ mode: before.mode, uid: before.uid, gid: before.gid })
  // A reader of the old one still reads it.
  expect(ino).not.toBe(before.ino)
  expect(readdirSync(folder).sort()).toEqual(['config.json', 'link'])
})

it('follows no link that is put in its place', () => {
  const [path, secret] = [join(folder, 'config.json'), join(folder, 'secret')]
  writeFileSync(secret, 'old', { mode: 0o600 })
  symlinkSync('secret', path)
  replaceFile(path, 'new')
  expect(readFileSync(secret, 'utf8')).toBe('old')
  expect(readFileSync(path, 'utf8')).toBe('new')
})

it('leaves nothing if it fails', () => {
  const path = join(folder, 'config.json')
  writeFileSync(path, 'old')
  writeFileSync(join(folder, `.config.json.${process.pid}`), '')
  expect(() => replaceFile(path, 'new')).toThrow(`${path} can't be written (EEXIST)`)
  expect(readFileSync(path, 'utf8')).toBe('old')
})

it('says what is not there', async () => {
  const path = join(folder, 'none/config.json')
  expect(() => replaceFile(path, 'new')).toThrow(`${path} can't be written (ENOENT)`)
  await expect(readFileOf(path)).rejects.toThrow(`${path} can't be read (ENOENT)`)
  expect(() => realPathOf(path)).toThrow(`${path} can't be read (ENOENT)`)
})
