import type { MacAddress } from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import {
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  neighbourBody,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from './neighbour.ts'

// Where a bridge has which MAC: messages about neighbours, of a family of their own.

const AF_BRIDGE = 7
const NTF_MASTER = 0x04
const NTF_STICKY = 0x40

/** Equivalent to: `bridge fdb add MAC dev PORT master static sticky`. Refused with EEXIST if there is one. */
export function newFdb(port: number, mac: MacAddress): Message {
  return { ...replaceFdb(port, mac), flags: NLM_F_CREATE | NLM_F_EXCL }
}

/**
 * Equivalent to: `bridge fdb replace MAC dev PORT master static sticky`. Static alone is not enough: a frame
 * with that sender would move it to the port it came in through.
 */
export function replaceFdb(port: number, mac: MacAddress): Message {
  return {
    operation: 'RTM_NEWNEIGH',
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    body: neighbourBody.encode(
      {
        ...{ family: AF_BRIDGE, link: port },
        ...{ state: NUD_NOARP | NUD_REACHABLE, flags: NTF_MASTER | NTF_STICKY },
      },
      { mac },
    ),
    target: `forwarding entry ${mac} of link #${port}`,
  }
}

/** Equivalent to: `bridge fdb delete MAC dev PORT master`. Refused with ENOENT if there is none. */
export function deleteFdb(port: number, mac: MacAddress): Message {
  return {
    operation: 'RTM_DELNEIGH',
    type: RTM_DELNEIGH,
    flags: 0,
    body: neighbourBody.encode(
      { family: AF_BRIDGE, link: port, state: NUD_NOARP | NUD_PERMANENT, flags: NTF_MASTER },
      { mac },
    ),
    target: `forwarding entry ${mac} of link #${port}`,
  }
}

export interface FdbEntry {
  /** The port's index. */
  readonly port: number
  readonly mac: MacAddress
  /** It is there for good, and stays where it is. */
  readonly fixed: boolean
}

/** Equivalent to: `bridge fdb show br BRIDGE`, without what is the bridge's own; nothing if there is none. */
export function listFdb(socket: NetlinkSocket, bridge: number): FdbEntry[] {
  const request: Message = {
    operation: 'RTM_GETNEIGH',
    type: RTM_GETNEIGH,
    flags: 0,
    body: neighbourBody.encode({ family: AF_BRIDGE }, { master: bridge }),
  }
  return dump(socket, request).flatMap(({ header, attributes }) => {
    const { mac, master } = attributes
    if (mac === undefined || master !== bridge || header.link === bridge) return []
    const fixed = (header.state & NUD_NOARP) !== 0 && (header.flags & NTF_STICKY) !== 0
    return [{ port: header.link, mac, fixed }]
  })
}

function dump(socket: NetlinkSocket, request: Message) {
  try {
    return socket.dump(request, neighbourBody)
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return []
    throw error
  }
}
