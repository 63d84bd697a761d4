/// <reference types="node" preserve="true" />

/** `libcnm/netlink`: netlink sockets, attribute schemas as values, and the rtnetlink verbs. */

export {
  type Cidr,
  type IpAddress,
  type MacAddress,
  type Prefix,
  parseAddress,
  parseCidr,
  parsePrefix,
} from '../../../address/address.ts'
export { parseMac } from '../../../address/mac.ts'
export { isKernelError, KernelError } from '../../../base/errors.ts'
export { CLONE_NEWNET, setns, unshare } from '../ffi/namespace.ts'
export * from '../rtnetlink/address.ts'
export type { AddressFamily } from '../rtnetlink/family.ts'
export * from '../rtnetlink/fdb.ts'
export * from '../rtnetlink/link.ts'
export { type LinkBody, linkBody } from '../rtnetlink/link-schema.ts'
export * from '../rtnetlink/neighbour.ts'
export * from '../rtnetlink/neighbour-table.ts'
export * from '../rtnetlink/route.ts'
export * from '../rtnetlink/rule.ts'
export {
  be16,
  be32,
  be64,
  bool,
  bytes,
  type Codec,
  type FixedCodec,
  flag,
  i32,
  ipAddress,
  macAddress,
  string,
  u8,
  u16,
  u32,
  u64,
} from './codec.ts'
export {
  type Header,
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from './message.ts'
export {
  NFNL_SUBSYS_CTNETLINK,
  NFNL_SUBSYS_NFTABLES,
  NFNLGRP_NFTABLES,
  nfgenmsg,
  nfnlType,
} from './netfilter.ts'
export {
  type Failure,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NetlinkSocket,
  type Notification,
} from './netlink-socket.ts'
export {
  type AttributesOf,
  type Body,
  type BodyValue,
  body,
  forEachAttribute,
  listOf,
  padding,
  type Schema,
  type Struct,
  schema,
  struct,
  type Unknowns,
  unknown,
  type ValueOf,
  type Variant,
  variant,
} from './schema.ts'
export { Writer } from './writer.ts'
