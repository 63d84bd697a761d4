import { describe, expect, it } from 'vitest'
import { parsePorts, portCount, portsOverlap, portsText } from './port.ts'

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
})
