import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isKernelError } from '../../../base/errors.ts'
import type { Message } from '../netlink/message.ts'
import { deleteRedirect, filterBody, newRedirect, toFilter } from './filter.ts'
import { newIfb } from './link.ts'
import { linkBody } from './link-schema.ts'
import {
  changeTbf,
  deleteClsact,
  deleteRootQdisc,
  newClsact,
  newTbf,
  qdiscBody,
  replaceTbfQueue,
  toRoot,
} from './qdisc.ts'

const NLM_F_REQUEST_AND_ACK = 5
const MAJOR = 0x6b3e

type Decoder = { decode(content: Uint8Array): unknown }

/** What tc and ip of iproute2 6.1 sent for each command (as strace saw it), and the message of ours. */
const commands: readonly (readonly [command: string, Decoder, Message, recorded: string])[] = [
  [
    'ip link add ifb0 group 77 type ifb',
    linkBody,
    newIfb({ name: 'ifbx', group: 77 }),
    '400000001000050643d9056b000000000000000000000000000000000000000008001b004d0000000900030069666278' +
      '000000000c0012000700010069666200',
  ],
  [
    'tc qdisc replace dev v0 parent 6b3e:1 bfifo limit 5000',
    qdiscBody,
    replaceTbfQueue(3, MAJOR, 5000),
    '380000002400050543d9056b0000000000000000030000000000000001003e6b000000000a000100626669666f000000' +
      '0800020088130000',
  ],
  [
    'tc qdisc delete dev v0 root handle 6b3e:',
    qdiscBody,
    deleteRootQdisc(3, MAJOR),
    '240000002500050044d9056b00000000000000000300000000003e6bffffffff00000000',
  ],
  [
    'tc qdisc add dev v0 clsact',
    qdiscBody,
    newClsact(3),
    '300000002400050643d9056b0000000000000000030000000000fffff1ffffff000000000b000100636c736163740000',
  ],
  [
    'tc qdisc delete dev v0 clsact',
    qdiscBody,
    deleteClsact(3),
    '300000002500050044d9056b0000000000000000030000000000fffff1ffffff000000000b000100636c736163740000',
  ],
  [
    'tc filter add dev v0 ingress protocol all pref 27454 u32 match u32 0 0 action mirred egress redirect dev ifb0',
    filterBody,
    newRedirect(3, MAJOR, 4),
    '8c0000002c00050644d9056b00000000000000000300000000000000f2ffffff00033e6b080001007533320060000200' +
      '38000700340001000b0001006d69727265640000240002802000020000000000000000000400000000000000000000' +
      '000100000004000000240005000100010000000000000000000000000000000000000000000000000000000000',
  ],
  [
    'tc filter delete dev v0 ingress protocol all pref 27454 u32',
    filterBody,
    deleteRedirect(3, MAJOR),
    '2c0000002d00050044d9056b00000000000000000300000000000000f2ffffff00033e6b0800010075333200',
  ],
]

/**
 * What tc sends for a tbf, up to the table of how long which size takes (and with the length of the rest),
 * which the kernel doesn't read where the link layer is given; as little does it read tc's computations.
 */
const tbfs: readonly (readonly [command: string, Message, recorded: string])[] = [
  [
    'tc qdisc add dev v0 root handle 6b3e: tbf rate 10mbit burst 12500 limit 137500',
    newTbf(3, MAJOR, { rate: 10e6, burst: 12500, limit: 137500 }),
    '640400002400050643d9056b00000000000000000300000000003e6bffffffff00000000080001007462660034000200' +
      '2800010003010000ffff0000d01213000000000000000000000000001c1902005a6202000000000008000600d4300000',
  ],
  [
    'tc qdisc change dev v0 root handle 6b3e: tbf rate 80gbit burst 100000000 limit 137500000',
    changeTbf(3, MAJOR, { rate: 80e9, burst: 100e6, limit: 137.5e6 }),
    '700400002400050043d9056b00000000000000000300000000003e6bffffffff00000000080001007462660040000200' +
      '2800010003010000ffff0000ffffffff00000000000000000000000060153208148d0500000000000800060000e1f505' +
      '0c00040000e40b5402000000',
  ],
]

function expectKind(message: Message, theirs: Buffer): void {
  expect(message.type).toBe(theirs.readUInt16LE(4))
  expect(message.flags | NLM_F_REQUEST_AND_ACK).toBe(theirs.readUInt16LE(6))
}

describe('messages', () => {
  it.each(commands)('%s', (_, body, message, recorded) => {
    const theirs = Buffer.from(recorded, 'hex')
    expect(theirs.readUInt32LE(0)).toBe(theirs.length)
    expectKind(message, theirs)
    expect(body.decode(message.body)).toEqual(body.decode(theirs.subarray(16)))
  })

  it.each(tbfs)('%s', (_, message, recorded) => {
    const theirs = Buffer.from(recorded, 'hex')
    expectKind(message, theirs)
    const computed = { cellLog: 0, cellAlign: 0, leastSize: 0, buffer: 0 }
    const [mine, wanted] = [message.body, theirs.subarray(16)].map((bytes) => {
      const { header, attributes } = qdiscBody.decode(bytes)
      const options = attributes.qdisc?.kind === 'tbf' ? attributes.qdisc.data : undefined
      const { parameters, rate64, burst } = options ?? {}
      return { header, parameters: { ...parameters, ...computed }, rate64, burst }
    })
    expect(mine).toEqual(wanted)
    expect(wanted?.burst).toBeGreaterThan(0)
  })

  it('names what it is about', () => {
    const messages = [...commands.map(([, , message]) => message), ...tbfs.map(([, it]) => it)]
    expect(messages.map(({ operation, target }) => `${operation} ${target}`)).toEqual([
      'RTM_NEWLINK link ifbx',
      'RTM_NEWQDISC qdisc bfifo of link #3',
      'RTM_DELQDISC qdisc of link #3',
      'RTM_NEWQDISC qdisc clsact of link #3',
      'RTM_DELQDISC qdisc clsact of link #3',
      'RTM_NEWTFILTER filter 27454 of link #3',
      'RTM_DELTFILTER filter 27454 of link #3',
      'RTM_NEWQDISC qdisc tbf of link #3',
      'RTM_NEWQDISC qdisc tbf of link #3',
    ])
  })
})

describe('what the kernel tells', () => {
  it('of a tbf, in ticks', () => {
    const [, , recorded] = tbfs[0]!
    const body = qdiscBody.decode(Buffer.from(recorded, 'hex').subarray(16))
    expect(toRoot(body)).toEqual({
      kind: 'tbf',
      major: MAJOR,
      tbf: { rate: 10e6, burst: 12500, limit: 137500 },
    })
  })

  it('of a redirection', () => {
    const { body } = newRedirect(3, MAJOR, 4)
    expect(toFilter(filterBody.decode(body))).toEqual({ priority: MAJOR, redirect: 4 })
  })

  it.each([
    ['qdisc', qdiscBody, toRoot],
    ['filter', filterBody, toFilter],
  ] as unknown as readonly (readonly [string, Decoder, (value: unknown) => unknown])[])(
    'of a %s: reads or refuses whatever bytes come',
    (_, body, read) => {
      const real = [...commands.map(([, , it]) => it), ...tbfs.map(([, it]) => it)]
      const damaged = fc
        .tuple(
          fc.constantFrom(...real.map((message) => Buffer.from(message.body))),
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        )
        .map(([bytes, changes]) => {
          const copy = Buffer.from(bytes)
          for (const [place, byte] of changes) copy[place % copy.length] = byte
          return copy
        })
      fc.assert(
        fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 150 })), (bytes) => {
          try {
            read(body.decode(bytes))
          } catch (error) {
            if (!isKernelError(error, 'EBADMSG')) throw error
          }
        }),
        { numRuns: 500 },
      )
    },
  )
})
