import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import type { Message } from '../netlink/message.ts'
import { addressBody, newAddress, toLinkAddress } from './address.ts'
import { deleteFdb, replaceFdb } from './fdb.ts'
import { deleteLink, newBridge, newVeth, setLink, toLink } from './link.ts'
import { linkBody } from './link-schema.ts'
import { neighbourBody, replaceNeighbour } from './neighbour.ts'
import { deleteRoute, newRoute, replaceRoute, routeBody, toRoute } from './route.ts'
import { newRule, ruleBody } from './rule.ts'

const mac = (text: string) => text as MacAddress
const cidr = (text: string) => text as Cidr
const prefix = (text: string) => text as Prefix
const address = (text: string) => text as IpAddress

const NLM_F_REQUEST_AND_ACK = 5

type Decoder = { decode(content: Uint8Array): unknown }

/** What iproute2 6.1 sent for each command (as strace saw it), and the message of ours for it. */
const commands: readonly (readonly [command: string, Decoder, Message, recorded: string])[] = [
  [
    'ip link add name web0 mtu 1400 address 02:00:00:00:00:07 group 77 up type bridge',
    linkBody,
    newBridge({ name: 'web0', mtu: 1400, mac: mac('02:00:00:00:00:07'), group: 77, up: true }),
    '5800000010000506c451056b000000000000000000000000010000000100000008000400780500000a00010002000000' +
      '0007000008001b004d000000090003007765623000000000100012000a0001006272696467650000',
  ],
  [
    'ip link add name h0 up mtu 1400 master br0 group 77 type veth peer name eth0 address … mtu 1400',
    linkBody,
    newVeth({
      name: 'h0',
      up: true,
      mtu: 1400,
      master: 2,
      group: 77,
      peer: { name: 'eth0', mac: mac('02:00:00:00:00:05'), mtu: 1400 },
    }),
    '8400000010000506c451056b0000000000000000000000000100000001000000080004007805000008000a0002000000' +
      '08001b004d00000007000300683000004400120008000100766574683800020034000100000000000000000000000000' +
      '000000000a00010002000000000500000800040078050000090003006574683000000000',
  ],
  [
    'ip link set dev web0 addrgenmode none',
    linkBody,
    setLink(3, { ipv6AddressGeneration: 'none' }),
    '3000000010000500c451056b000000000000000003000000000000000000000010001a000c000a000500080001000000',
  ],
  [
    'ip link delete dev web0',
    linkBody,
    deleteLink(3),
    '2000000011000500c451056b0000000000000000030000000000000000000000',
  ],
  [
    'ip address add 10.7.0.2/24 dev h0',
    addressBody,
    newAddress(5, cidr('10.7.0.2/24')),
    '2800000014000506c451056b000000000218000005000000080002000a070002080001000a070002',
  ],
  [
    'ip address add fd00::2/64 dev h0 nodad',
    addressBody,
    newAddress(5, cidr('fd00::2/64')),
    '4000000014000506c451056b000000000a4002000500000014000200fd000000000000000000000000000002' +
      '14000100fd000000000000000000000000000002',
  ],
  [
    'ip neighbour replace 10.7.0.9 lladdr 02:00:00:00:00:09 dev h0 nud permanent',
    neighbourBody,
    replaceNeighbour(5, address('10.7.0.9'), mac('02:00:00:00:00:09')),
    '300000001c000505c551056b00000000020000000500000080000000080001000a0700090a0002000200000000090000',
  ],
  [
    'ip neighbour replace 10.7.0.9 lladdr 02:00:00:00:00:09 dev h0 nud permanent protocol 211',
    neighbourBody,
    replaceNeighbour(5, address('10.7.0.9'), mac('02:00:00:00:00:09'), 211),
    '380000001c000505c551056b0000000002000000050000008000000005000c00d3000000080001000a0700090a000200' +
      '0200000000090000',
  ],
  [
    'bridge fdb replace 02:00:00:00:00:09 dev h0 master static sticky',
    neighbourBody,
    replaceFdb(5, mac('02:00:00:00:00:09')),
    '280000001c000505c551056b000000000700000005000000420044000a0002000200000000090000',
  ],
  [
    'bridge fdb delete 02:00:00:00:00:09 dev h0 master',
    neighbourBody,
    deleteFdb(5, mac('02:00:00:00:00:09')),
    '280000001d000500c551056b000000000700000005000000c00004000a0002000200000000090000',
  ],
  [
    'ip route add 10.9.0.0/16 via 10.7.0.1 dev h0 metric 5 proto 4',
    routeBody,
    newRoute({
      destination: prefix('10.9.0.0/16'),
      gateway: address('10.7.0.1'),
      link: 5,
      metric: 5,
      protocol: 4,
    }),
    '3c00000018000506c451056b0000000002100000fe04000100000000080001000a090000080005000a070001' +
      '08000600050000000800040005000000',
  ],
  [
    'ip route replace default via fd00::1 dev h0',
    routeBody,
    replaceRoute({ destination: prefix('::/0'), gateway: address('fd00::1'), link: 5 }),
    '3800000018000505c451056b000000000a000000fe0300010000000014000500fd000000000000000000000000000001' +
      '0800040005000000',
  ],
  [
    'ip route add 10.8.0.0/16 dev h0 table 1000',
    routeBody,
    newRoute({ destination: prefix('10.8.0.0/16'), link: 5, table: 1000 }),
    '3400000018000506c451056b00000000021000000003fd0100000000080001000a08000008000f00e8030000' +
      '0800040005000000',
  ],
  [
    'ip route delete 10.9.0.0/16',
    routeBody,
    deleteRoute({ destination: prefix('10.9.0.0/16') }),
    '2400000019000500c451056b0000000002100000fe00ff0000000000080001000a090000',
  ],
  [
    'ip rule add priority 100 from 10.7.0.0/24 iif h0 fwmark 1/255 lookup 1000',
    ruleBody,
    newRule({
      family: 4,
      priority: 100,
      from: prefix('10.7.0.0/24'),
      inputLink: 'h0',
      mark: 1,
      markMask: 255,
      table: 1000,
    }),
    '4c00000020000506c451056b000000000200180000000001000000000800060064000000080002000a070000' +
      '070003006830000008000a000100000008001000ff00000008000f00e8030000',
  ],
]

describe('messages', () => {
  it.each(commands)('%s', (_, body, message, recorded) => {
    const theirs = Buffer.from(recorded, 'hex')
    expect(theirs.readUInt32LE(0)).toBe(theirs.length)
    expect(message.type).toBe(theirs.readUInt16LE(4))
    expect(message.flags | NLM_F_REQUEST_AND_ACK).toBe(theirs.readUInt16LE(6))
    expect(body.decode(message.body)).toEqual(body.decode(theirs.subarray(16)))
  })

  it('names what it is about', () => {
    expect(commands.map(([, , message]) => `${message.operation} ${message.target}`)).toEqual([
      'RTM_NEWLINK link web0',
      'RTM_NEWLINK link h0',
      'RTM_NEWLINK link #3',
      'RTM_DELLINK link #3',
      'RTM_NEWADDR address 10.7.0.2/24 of link #5',
      'RTM_NEWADDR address fd00::2/64 of link #5',
      'RTM_NEWNEIGH neighbour 10.7.0.9 of link #5',
      'RTM_NEWNEIGH neighbour 10.7.0.9 of link #5',
      'RTM_NEWNEIGH forwarding entry 02:00:00:00:00:09 of link #5',
      'RTM_DELNEIGH forwarding entry 02:00:00:00:00:09 of link #5',
      'RTM_NEWROUTE route 10.9.0.0/16 via 10.7.0.1',
      'RTM_NEWROUTE route ::/0 via fd00::1',
      'RTM_NEWROUTE route 10.8.0.0/16',
      'RTM_DELROUTE route 10.9.0.0/16',
      'RTM_NEWRULE rule 100 lookup 1000',
    ])
  })
})

describe('decoders', () => {
  const decoders = [
    ['link', linkBody, toLink],
    ['address', addressBody, toLinkAddress],
    ['route', routeBody, toRoute],
    ['rule', ruleBody, (rule: unknown) => rule],
    ['neighbour', neighbourBody, (neighbour: unknown) => neighbour],
  ] as unknown as readonly (readonly [string, Decoder, (value: unknown) => unknown])[]

  it.each(decoders)('of %s bodies read or refuse whatever bytes come', (_, body, read) => {
    const real = commands.map(([, , message]) => Buffer.from(message.body))
    const damaged = fc
      .tuple(fc.constantFrom(...real), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }))
      .map(([bytes, changes]) => {
        const copy = Buffer.from(bytes)
        for (const [place, byte] of changes) copy[place % copy.length] = byte
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 120 })), (bytes) => {
        try {
          read(body.decode(bytes))
        } catch (error) {
          if (!isKernelError(error, 'EBADMSG')) throw error
        }
      }),
      { numRuns: 500 },
    )
  })
})
