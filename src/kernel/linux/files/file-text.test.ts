import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../../../address/address.ts'
import { changeEntries, fileText, type HostsEntry, hasEntry, replaceContent } from './file-text.ts'

const entry = (address: string, ...names: string[]): HostsEntry => {
  return { address: address as IpAddress, names }
}
const web = entry('10.7.0.2', 'web.example.org', 'web')
const web6 = entry('fd00:7::2', 'web')
const base = '127.0.0.1\tlocalhost\n'

describe('entries of a hosts file', () => {
  it('come behind all else, once, and leave it as it was', () => {
    const text = changeEntries(base, [], [web, web6])
    expect(text).toBe(`${base}10.7.0.2\tweb.example.org web\nfd00:7::2\tweb\n`)
    expect(changeEntries(text, [], [web6, web])).toBe(text)
    expect(changeEntries(text, [web, web6], [])).toBe(base)
    expect(changeEntries(text, [web], [web6])).toBe(`${base}fd00:7::2\tweb\n`)
    expect(changeEntries(base, [web], [])).toBe(base)
  })

  it('are whole lines', () => {
    for (const text of ['110.7.0.2\tweb\n', '10.7.0.2\tweb2\n', '# 10.7.0.2\tweb\n', '']) {
      const short = entry('10.7.0.2', 'web')
      expect(hasEntry(text, short)).toBe(false)
      expect(changeEntries(text, [short], [])).toBe(text)
      const more = changeEntries(text, [], [short])
      expect(more).toBe(`${text}10.7.0.2\tweb\n`)
      expect(changeEntries(more, [short], [])).toBe(text)
    }
  })

  it('find their place in what others have written', () => {
    expect(changeEntries('a b', [], [web6])).toBe('a b\nfd00:7::2\tweb\n')
    expect(changeEntries('fd00:7::2\tweb', [web6], [])).toBe('')
    expect(changeEntries('x\nfd00:7::2\tweb', [web6], [web6])).toBe('x\nfd00:7::2\tweb\n')
    expect(changeEntries('fd00:7::2\tweb\nx\nfd00:7::2\tweb\ny', [web6], [])).toBe(
      'fd00:7::2\tweb\nx\ny',
    )
    const bytes = Buffer.from([0x23, 0xff, 0xc3, 0x28, 0x0a, 0x00, 0x0a]).toString('latin1')
    expect(changeEntries(changeEntries(bytes, [], [web]), [web], [])).toBe(bytes)
  })
})

describe('what was written at first', () => {
  it('is replaced, with or without entries behind it', () => {
    expect(replaceContent(base, base, 'new\n')).toBe('new\n')
    const text = changeEntries(base, [], [web, web6])
    expect(replaceContent(text, base, 'new\n')).toBe(changeEntries('new\n', [], [web, web6]))
    expect(replaceContent(text, base, 'new')).toBe(changeEntries('new', [], [web, web6]))
    expect(replaceContent('nö\n', 'nö\n', 'ü\n')).toBeUndefined()
    expect(replaceContent(fileText('nö\n'), 'nö\n', 'ü\n')).toBe(fileText('ü\n'))
    expect(replaceContent('', '', base)).toBe(base)
  })

  it('stays as soon as others have changed it', () => {
    for (const text of [
      '',
      '# mine\n127.0.0.1\tlocalhost\n',
      '127.0.0.1\tlocalhost',
      `${base}# mine\n`,
      `${base}nameserver 10.0.0.1\n`,
      `${base}nameserver\t10.0.0.1\n`,
      `${base}10.0.0.1 db\n`,
      `${base}10.0.0.1\tdb\t# mine\n`,
      `${base}\n10.0.0.1\tdb\n`,
    ]) {
      expect(replaceContent(text, base, 'new\n'), text).toBeUndefined()
    }
  })
})

describe('a text that is as large as one of ours may be', () => {
  const most = 1 << 20
  const fill = (text: string) => text.repeat(Math.ceil(most / text.length)).slice(0, most)
  const texts: Readonly<Record<string, string>> = {
    'one word': fill('x'),
    'many words': fill('x '),
    'many words and two spaces': `${base}10.7.0.2\t${fill('x ')} `,
    'an entry without end': `${base}10.7.0.2\t${fill('x')}`,
    'nearly our line, again and again': fill('10.7.0.2\tweb.example.org web '),
    'our line, again and again': fill('10.7.0.2\tweb.example.org web\n'),
    'nothing but ends': fill('\n'),
    bytes: fill('\u0000\u00ff'),
  }

  it.each(Object.keys(texts))('is looked through: %s', (name) => {
    const text = texts[name]!
    const many = Array.from({ length: 100 }, (_, n) => entry(`10.7.1.${n}`, `n${n}`))
    const changed = changeEntries(text, [web], many)
    for (const each of many) expect(hasEntry(changed, each)).toBe(true)
    const replaced = replaceContent(text, base, 'new\n')
    expect(replaced === undefined || replaced.startsWith('new\n')).toBe(true)
  })
})
