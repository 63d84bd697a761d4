import { sendFrames } from './raw-frames.ts'

const ETHERTYPE_IPV6 = 0x86dd
const NO_NEXT_HEADER = 59

/**
 * Sends all on a link an IPv6 packet behind VLAN tags of these types, all with the number 0, from
 * the namespace of that path. With one such tag, or two, Linux takes it as if it had none.
 */
export function sendTagged(path: string, link: string, tags: readonly number[]): void {
  sendFrames(path, link, [taggedFrame(tags)])
}

function taggedFrame(tags: readonly number[]): Buffer {
  const addresses = Buffer.from('333300000001' + '020000000001', 'hex')
  const types = Buffer.alloc(tags.length * 4 + 2)
  for (const [index, tag] of tags.entries()) types.writeUInt16BE(tag, index * 4)
  types.writeUInt16BE(ETHERTYPE_IPV6, tags.length * 4)
  const packet = Buffer.alloc(40)
  packet.set([0x60, 0, 0, 0, 0, 0, NO_NEXT_HEADER, 255])
  packet.set([0xfe, 0x80], 8)
  packet.set([0xff, 0x02], 24)
  packet.set([1], 23)
  packet.set([1], 39)
  return Buffer.concat([addresses, types, packet])
}
