import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../../../address/address.ts'
import { parsePorts } from '../../../address/port.ts'
import type { ReservationResource } from '../../resource.ts'
import { BLOCK_PORTS, type Block, PortBlocks } from './port-blocks.ts'

function reservation(
  ports: string,
  address = '0.0.0.0',
  protocol: ReservationResource['protocol'] = 'tcp',
): ReservationResource {
  return { kind: 'reservation', protocol, address: address as IpAddress, ports: parsePorts(ports) }
}

function keys(blocks: Iterable<Block>): string[] {
  return [...blocks].map(({ key }) => key.toString('hex')).sort()
}

/** The ports whose bits are set. */
function ports(blocks: Iterable<Block>): number[] {
  return [...blocks].flatMap(({ key, bits }) => {
    const first = key.readUInt32LE(4) * BLOCK_PORTS
    const set = (port: number) => (bits[port >> 3]! & (1 << (port & 7))) !== 0
    return Array.from({ length: BLOCK_PORTS }, (_, port) => port)
      .filter(set)
      .map((port) => first + port)
  })
}

const zeros = '00'.repeat(16)

describe('blocks', () => {
  it('are told by protocol, family, scope, part of the ports and address', () => {
    const blocks = new PortBlocks()
    expect(keys(blocks.add([reservation('80')]))).toEqual([`0600040000000000${zeros}`])
    expect(keys(blocks.add([reservation('2048', '::', 'udp')]))).toEqual([
      `1100060001000000${zeros}`,
    ])
    expect(keys(blocks.add([reservation('80', '127.0.0.1')]))).toEqual([
      '06000400000000007f000001000000000000000000000000',
      `0600040100000000${zeros}`,
    ])
    expect(keys(blocks.add([reservation('80', 'fd00::1')]))).toEqual([
      '0600060000000000fd000000000000000000000000000001',
      `0600060100000000${zeros}`,
    ])
  })

  it('have a bit for each port', () => {
    const blocks = new PortBlocks()
    expect(ports(blocks.add([reservation('2046-2049'), reservation('65535')]))).toEqual([
      2046, 2047, 2048, 2049, 65535,
    ])
    const all = blocks.add([reservation('1-65535', '::')])
    expect(ports(all)).toHaveLength(65535)
    expect(all.size).toBe(32)
  })

  it('keep a bit as long as somebody wants it, and are of no use without any', () => {
    const blocks = new PortBlocks()
    const [range, single, other] = [
      reservation('80-82', '::1'),
      reservation('81', '::1'),
      reservation('81', '::2'),
    ]
    blocks.add([range, single, other])
    expect(ports(blocks.remove([range])).sort()).toEqual([81, 81])
    const left = [...blocks.remove([single])].map(({ key, used }) => [key[3], used])
    expect(left).toEqual([
      [0, 0],
      [1, 1],
    ])
    expect([...blocks.remove([other])].map(({ used }) => used)).toEqual([0, 0])
    expect(ports(blocks.add([single]))).toEqual([81, 81])
  })

  it('are none for SCTP, about which the kernel asks nobody', () => {
    expect(new PortBlocks().add([reservation('80', '0.0.0.0', 'sctp')]).size).toBe(0)
  })
})
