import { describe, expect, it } from 'vitest'
import type { PortRange } from '../../../address/port.ts'
import { portFilter } from './sock-diag.ts'

/** What the kernel does with a filter (inet_diag_bc_run), for a socket bound to that port. */
function accepts(filter: Uint8Array, port: number): boolean {
  const code = Buffer.from(filter)
  let left = code.length
  while (left > 0) {
    const at = code.length - left
    const [operation, yes, no] = [code[at]!, code[at + 1]!, code.readUInt16LE(at + 2)]
    const [isJump, isLeast] = [operation === 1, operation === 2]
    // The operand of a comparison is where the jump of the next operation would be.
    const operand = isJump ? 0 : code.readUInt16LE(at + 6)
    const holds = !isJump && (isLeast ? port >= operand : port <= operand)
    left -= holds ? yes : no
  }
  return left === 0
}

const ranges: readonly PortRange[] = [
  { from: 80, to: 80 },
  { from: 443, to: 445 },
  { from: 8000, to: 65_535 },
]

describe('a filter of ports', () => {
  it.each([1, 2, 3])('lets the ports of %i ranges pass, and no others', (count) => {
    const wanted = ranges.slice(0, count)
    const filter = portFilter(wanted)
    for (const port of [0, 79, 80, 81, 442, 443, 444, 445, 446, 7999, 8000, 65_535]) {
      const isWanted = wanted.some(({ from, to }) => from <= port && port <= to)
      expect(accepts(filter, port), `port ${port}`).toBe(isWanted)
    }
  })

  it('of many ranges lets everything from the first to the last pass', () => {
    const many = Array.from({ length: 100 }, (_, index) => ({
      from: 1000 + 2 * index,
      to: 1000 + 2 * index,
    }))
    const filter = portFilter(many)
    expect(filter.length).toBeLessThan(100)
    expect([999, 1000, 1001, 1198, 1199].map((port) => accepts(filter, port))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ])
  })
})
