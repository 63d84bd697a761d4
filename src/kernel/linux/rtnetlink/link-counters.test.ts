import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isKernelError } from '../../../base/errors.ts'
import { bytes, string, u32 } from '../netlink/codec.ts'
import { body, schema } from '../netlink/schema.ts'
import { counted } from './link-counters.ts'
import { ifinfomsg } from './link-schema.ts'

/** With the attributes that count, in the kernel's numbers. */
const link = body(
  ifinfomsg,
  schema({ name: [3, string], alias: [20, string], counters: [23, bytes], group: [27, u32] }),
)

/** `struct rtnl_link_stats64`, as long as Linux 6.18 has it. */
function counters(...members: readonly number[]): Uint8Array {
  const buffer = Buffer.alloc(25 * 8)
  for (const [place, member] of members.entries()) {
    buffer.writeBigUInt64LE(BigInt(member), 8 * place)
  }
  return buffer
}

function read(content: Uint8Array) {
  const buffer = Buffer.from(content)
  return counted.read(buffer, 0, buffer.length)
}

const whole = link.encode(
  {},
  {
    name: 'veth0',
    group: 77,
    alias: 'any',
    counters: counters(1, 2, 2 ** 40 + 3, 2 ** 32 - 1, 5, 6, 7, 8),
  },
)

describe('the counters of a link', () => {
  it('are read, though they are more than 32 bits', () => {
    expect(read(whole)).toEqual({
      name: 'veth0',
      group: 77,
      received: { packets: 1, bytes: 2 ** 40 + 3, errors: 5, dropped: 7 },
      sent: { packets: 2, bytes: 2 ** 32 - 1, errors: 6, dropped: 8 },
    })
  })

  it('are refused where there are none, or too few', () => {
    for (const attributes of [{ name: 'veth0' }, { name: 'veth0', counters: Buffer.alloc(56) }]) {
      expect(() => read(link.encode({}, attributes))).toThrow('link veth0 without counters')
    }
  })

  it('are read or refused, whatever bytes come', () => {
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 5 })
    const damaged = damage.map((changes) => {
      const copy = Buffer.from(whole)
      for (const [place, byte] of changes) copy[place] = byte
      return copy
    })
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 300 })), (content) => {
        try {
          read(content)
        } catch (error) {
          if (!isKernelError(error, 'EBADMSG')) throw error
        }
      }),
      { numRuns: 500 },
    )
  })
})
