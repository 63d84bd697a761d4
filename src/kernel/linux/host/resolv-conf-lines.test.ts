import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolvConfLines } from './resolv-conf-lines.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cnm-resolv-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function lines(text: string) {
  const path = join(folder, 'resolv.conf')
  writeFileSync(path, text)
  return resolvConfLines(path)
}

describe('a resolv.conf', () => {
  it('says where names are searched, and with which options', () => {
    const text =
      'nameserver 192.0.2.1\nsearch a.example\tb.example \noptions ndots:2\noptions edns0  rotate\n'
    expect(lines(text)).toEqual({
      search: ['a.example', 'b.example'],
      options: ['ndots:2', 'edns0', 'rotate'],
      servers: ['192.0.2.1'],
    })
  })

  it('counts the last of search and domain, as the C library does', () => {
    expect(lines('search a b\ndomain c d\n').search).toEqual(['c'])
    expect(lines('domain c\nsearch a b\n').search).toEqual(['a', 'b'])
  })

  it('names servers of both families, and what is none says nothing', () => {
    const text =
      'nameserver 192.0.2.1\nnameserver\nnameserver fe80::1%eth0\nnameserver fd00::53 x\n'
    expect(lines(text).servers).toEqual(['192.0.2.1', 'fd00::53'])
  })

  it('may be commented, empty, or not there', () => {
    const nothing = { search: [], options: [] }
    expect(lines('# search a\n;options b\n searching a\n')).toEqual(nothing)
    expect(lines('')).toEqual(nothing)
    expect(resolvConfLines(join(folder, 'none'))).toEqual(nothing)
  })
})
