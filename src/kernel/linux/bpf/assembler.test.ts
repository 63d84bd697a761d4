import { describe, expect, it } from 'vitest'
import {
  assemble,
  call,
  compute,
  constant,
  exit,
  jump,
  jumpIf,
  load,
  mapReference,
  r,
  type Step,
  store,
  swapToNetwork,
} from './assembler.ts'

/** As `bpftool prog dump xlated opcodes` prints it: code, registers, offset, immediate. */
const hex = (...steps: Step[]) => assemble(steps).toString('hex')

describe('instructions', () => {
  it.each<[string, Step, string]>([
    ['r6 = r1', compute('set', 6, r(1)), 'bf16000000000000'],
    ['r0 = 1', compute('set', 0, 1), 'b700000001000000'],
    ['r1 = -98', compute('set', 1, -98), 'b70100009effffff'],
    ['r8 &= 255', compute('and', 8, 255), '57080000ff000000'],
    ['r9 <<= r1', compute('shiftLeft', 9, r(1)), '6f19000000000000'],
    ['r8 >>= 3', compute('shiftRight', 8, 3), '7708000003000000'],
    ['r7 = be16 r7', swapToNetwork(7, 16), 'dc07000010000000'],
    ['r7 = *(u32 *)(r6 +24)', load('u32', 7, 6, 24), '6167180000000000'],
    ['r1 = *(u8 *)(r10 -29)', load('u8', 1, 10, -29), '71a1e3ff00000000'],
    ['r3 = *(u64 *)(r6 +64)', load('u64', 3, 6, 64), '7963400000000000'],
    ['*(u32 *)(r10 -24) = r1', store('u32', 10, -24, r(1)), '631ae8ff00000000'],
    ['*(u64 *)(r10 -8) = 0', store('u64', 10, -8, 0), '7a0af8ff00000000'],
    ['call 187', call(187), '85000000bb000000'],
    ['exit', exit(), '9500000000000000'],
    ['r1 = 0x1ffffffff ll', constant(1, 0x1ffffffffn), '18010000ffffffff0000000001000000'],
    ['r1 = map[fd:5]', mapReference(1, 5), '18110000050000000000000000000000'],
  ])('%s', (_, step, expected) => {
    expect(hex(step)).toBe(expected)
  })
})

describe('jumps', () => {
  it('go on by as many places as there are between, of which a constant takes two', () => {
    const forward = [jumpIf(0, 'equal', 0, 'end'), constant(1, 1n), jump('end'), { label: 'end' }]
    expect(hex(...forward, exit())).toBe(
      ['1500030000000000', '18010000010000000000000000000000', '0500000000000000'].join('') +
        '9500000000000000',
    )
  })

  it('go back', () => {
    expect(hex({ label: 'again' }, exit(), jumpIf(1, 'unequal', r(2), 'again'))).toBe(
      '95000000000000005d21feff00000000',
    )
  })
})
