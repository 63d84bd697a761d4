import { describe, expect, it } from 'vitest'
import { Writer } from './writer.ts'

function written(write: (writer: Writer) => void): string {
  const writer = new Writer(1)
  write(writer)
  return writer.copyFrom(0).toString('hex')
}

describe('Writer', () => {
  it('writes numbers in both orders', () => {
    expect(written((w) => w.u8(0x1ff))).toBe('ff')
    expect(written((w) => w.u16(0x1234))).toBe('3412')
    expect(written((w) => w.u32(0x89abcdef))).toBe('efcdab89')
    expect(written((w) => w.u32(-2))).toBe('feffffff')
    expect(written((w) => w.u64(0x0123456789abcdefn))).toBe('efcdab8967452301')
    expect(written((w) => w.be16(0x1234))).toBe('1234')
    expect(written((w) => w.be32(0x89abcdef))).toBe('89abcdef')
    expect(written((w) => w.be64(0x0123456789abcdefn))).toBe('0123456789abcdef')
  })

  it('writes text with a NUL, and refuses one inside', () => {
    expect(written((w) => w.text('eth0'))).toBe('6574683000')
    expect(written((w) => w.text('aé€'))).toBe(Buffer.from('aé€\0').toString('hex'))
    expect(() => written((w) => w.text('a\0b'))).toThrow('a text contains a NUL character')
    expect(() => written((w) => w.text('é\0b'))).toThrow('a text contains a NUL character')
  })

  it('pads with zeros, whatever was in the buffer before', () => {
    const writer = new Writer(64)
    writer.bytes(Buffer.alloc(64, 0xff))
    writer.truncate(0)
    const at = writer.open(5)
    writer.u8(1)
    writer.close(at)
    writer.zeros(4)
    expect(writer.copyFrom(0).toString('hex')).toBe('050005000100000000000000')
  })

  it('nests attributes', () => {
    const nested = written((writer) => {
      const outer = writer.open(0x8001)
      const inner = writer.open(2)
      writer.text('ab')
      writer.close(inner)
      writer.close(outer)
    })
    expect(nested).toBe('0c000180' + '07000200' + '61620000')
  })

  it('refuses an attribute that is too long for its length', () => {
    const writer = new Writer()
    const at = writer.open(1)
    writer.zeros(0xffff - 4)
    expect(() => writer.close(at)).not.toThrow()
    const next = writer.open(1)
    writer.zeros(0xffff - 3)
    expect(() => writer.close(next)).toThrow('EMSGSIZE')
  })
})
