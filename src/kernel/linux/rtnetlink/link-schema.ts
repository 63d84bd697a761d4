import { bool, bytes, i32, macAddress, string, u8, u16, u32 } from '../netlink/codec.ts'
import { body, padding, schema, struct, type ValueOf, variant } from '../netlink/schema.ts'

// linux/if_link.h, linux/veth.h

const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_LINK = 5
const IFLA_MASTER = 10
const IFLA_OPERSTATE = 16
const IFLA_LINKINFO = 18
const IFLA_IFALIAS = 20
const IFLA_AF_SPEC = 26
export const IFLA_GROUP = 27
const IFLA_NET_NS_FD = 28
const IFLA_EXT_MASK = 29
const IFLA_NUM_TX_QUEUES = 31
const IFLA_NUM_RX_QUEUES = 32
const IFLA_LINK_NETNSID = 37
const IFLA_CARRIER_UP_COUNT = 47

const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const IFLA_INFO_SLAVE_KIND = 4
const IFLA_INFO_SLAVE_DATA = 5

const IFLA_BRPORT_MODE = 4
const IFLA_BRPORT_LEARNING = 8
const IFLA_BRPORT_GROUP_FWD_MASK = 31
const IFLA_BR_FDB_MAX_LEARNED = 49
const VETH_INFO_PEER = 1
const AF_INET = 2
const AF_INET6 = 10
const IFLA_INET_CONF = 1
const IFLA_INET6_CONF = 2
const IFLA_INET6_ADDR_GEN_MODE = 8

export const ifinfomsg = struct({
  family: u8,
  pad: padding(1),
  type: u16,
  index: i32,
  flags: u32,
  change: u32,
})

const plainAttributes = {
  name: [IFLA_IFNAME, string],
  mac: [IFLA_ADDRESS, macAddress],
  mtu: [IFLA_MTU, u32],
  link: [IFLA_LINK, u32],
  linkNamespaceId: [IFLA_LINK_NETNSID, i32],
  master: [IFLA_MASTER, u32],
  group: [IFLA_GROUP, u32],
  operState: [IFLA_OPERSTATE, u8],
  alias: [IFLA_IFALIAS, string],
  namespaceFd: [IFLA_NET_NS_FD, u32],
  extMask: [IFLA_EXT_MASK, u32],
  sendQueues: [IFLA_NUM_TX_QUEUES, u32],
  receiveQueues: [IFLA_NUM_RX_QUEUES, u32],
  carrierUps: [IFLA_CARRIER_UP_COUNT, u32],
} as const

/** The other end of a new veth pair is a message about a link inside an attribute. */
const vethData = schema({
  peer: [VETH_INFO_PEER, body(ifinfomsg, schema(plainAttributes))],
})

const bridgePort = schema({
  hairpin: [IFLA_BRPORT_MODE, bool],
  groupForwarding: [IFLA_BRPORT_GROUP_FWD_MASK, u16],
  learning: [IFLA_BRPORT_LEARNING, bool],
})

/** One more kind of link is one more entry here (and one in `slave`, if it has ports). */
const linkInfo = schema({
  own: variant(IFLA_INFO_KIND, IFLA_INFO_DATA, {
    bridge: schema({ maxLearned: [IFLA_BR_FDB_MAX_LEARNED, u32] }),
    veth: vethData,
    ifb: schema({}),
  }),
  slave: variant(IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA, { bridge: bridgePort }),
})

/** `settings` are the link's sysctls as an array of 32-bit numbers: IPV4_DEVCONF_…, DEVCONF_…. */
const familySettings = schema({
  ipv4: [AF_INET, schema({ settings: [IFLA_INET_CONF, bytes] })],
  ipv6: [
    AF_INET6,
    schema({
      settings: [IFLA_INET6_CONF, bytes],
      addressGeneration: [IFLA_INET6_ADDR_GEN_MODE, u8],
    }),
  ],
})

/** RTM_…LINK */
export const linkBody = body(
  ifinfomsg,
  schema({
    ...plainAttributes,
    info: [IFLA_LINKINFO, linkInfo],
    families: [IFLA_AF_SPEC, familySettings],
  }),
)

export type LinkBody = ValueOf<typeof linkBody>
export type LinkHeader = LinkBody['header']
export type LinkAttributes = LinkBody['attributes']
