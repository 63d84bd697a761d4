import { load32, malformed, string } from '../netlink/codec.ts'
import { forEachAttribute } from '../netlink/schema.ts'
import type { Link } from './link.ts'
import { IFLA_GROUP, IFLA_IFNAME, ifinfomsg } from './link-schema.ts'

/**
 * What a link is called, from the body of RTM_NEWLINK or RTM_DELLINK. One attach makes a dozen of those
 * messages: they are read without a schema, which would keep all the rest.
 */
export function readLinkName(
  body: Buffer,
): Pick<Link, 'index' | 'name' | 'group'> & { readonly family: number } {
  if (body.length < ifinfomsg.size) throw malformed(`a link in ${body.length} bytes`)
  let name = ''
  let group = 0
  forEachAttribute(body, ifinfomsg.size, body.length, (id, from, to) => {
    if (id === IFLA_IFNAME) name = string.read(body, from, to)
    else if (id === IFLA_GROUP && to - from === 4) group = load32(body, from)
  })
  return { family: body[0]!, index: body.readInt32LE(4), name, group }
}
