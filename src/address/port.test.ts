import { describe, expect, it } from 'vitest'
import { mergePorts, parsePorts, portCount, portsOverlap, portsText, portsWithout } from './port.ts'

describe('ports', () => {
  it('are a number or a range', () => {
    expect(parsePorts('80')).toEqual({ from: 80, to: 80 })
    expect(parsePorts('8000-8010')).toEqual({ from: 8000, to: 8010 })
    expect(portsText(parsePorts('80'))).toBe('80')
    expect(portsText(parsePorts('1-65535'))).toBe('1-65535')
    expect(portCount(parsePorts('8000-8010'))).toBe(11)
  })

  it('are refused otherwise', () => {
    for (const text of ['', '0', '65536', '80-79', '-80', '80-', 'http', ' 80', '1-2-3', '0x50']) {
      expect(() => parsePorts(text)).toThrow(expect.objectContaining({ code: 'INVALID_PORT' }))
    }
  })

  it('overlap where they share one', () => {
    const range = parsePorts('10-20')
    expect(portsOverlap(range, parsePorts('20-30'))).toBe(true)
    expect(portsOverlap(range, parsePorts('1-10'))).toBe(true)
    expect(portsOverlap(range, parsePorts('12'))).toBe(true)
    expect(portsOverlap(range, parsePorts('21-30'))).toBe(false)
    expect(portsOverlap(range, parsePorts('9'))).toBe(false)
  })

  const ranges = (...texts: string[]) => texts.map(parsePorts)
  const texts = (ports: ReturnType<typeof ranges>) => ports.map(portsText)

  it('become one where they meet', () => {
    const given = ranges('30-39', '1-9', '10', '12-20', '5-6', '15-29')
    expect(texts(mergePorts(given))).toEqual(['1-10', '12-39'])
    expect(texts(given)).toEqual(['30-39', '1-9', '10', '12-20', '5-6', '15-29'])
    expect(mergePorts([])).toEqual([])
  })

  it('are less without others', () => {
    const left = (from: string[], ...holes: string[]) =>
      texts(portsWithout(ranges(...from), ranges(...holes)))
    expect(left(['10-20'], '15')).toEqual(['10-14', '16-20'])
    expect(left(['10-20'], '1-10', '20-30')).toEqual(['11-19'])
    expect(left(['10-20', '30-40'], '18-32')).toEqual(['10-17', '33-40'])
    expect(left(['10-20'], '10-20')).toEqual([])
    expect(left(['10-20'], '1-65535')).toEqual([])
    expect(left(['10-20'], '21', '9')).toEqual(['10-20'])
    expect(left(['10-20'])).toEqual(['10-20'])
  })
})
