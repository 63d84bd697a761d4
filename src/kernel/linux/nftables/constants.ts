/** Numbers of linux/netfilter/nfnetlink.h and nf_tables.h, in their spelling. */

/** NFPROTO_… by nft's names of families. */
export const NFPROTO = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const

export const NFT_TABLE_F_DORMANT = 0x1
export const NFT_TABLE_F_OWNER = 0x2
export const NFT_TABLE_F_PERSIST = 0x4

export const NFT_SET_ANONYMOUS = 0x1
export const NFT_SET_CONSTANT = 0x2
export const NFT_SET_INTERVAL = 0x4
export const NFT_SET_MAP = 0x8
export const NFT_SET_TIMEOUT = 0x10
export const NFT_SET_EVAL = 0x20
export const NFT_SET_CONCAT = 0x80

export const NFT_SET_ELEM_INTERVAL_END = 0x1
export const NFTA_SET_ELEM_LIST_ELEMENTS = 3
export const NFTA_LIST_ELEM = 1

export const NFT_DATA_VERDICT = 0xffffff00

/** Verdicts are signed: NF_DROP and NF_ACCEPT are netfilter's, the others nftables' own. */
export const VERDICTS = {
  drop: 0,
  accept: 1,
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
} as const

export const NFT_REG_VERDICT = 0
export const NFT_REG_1 = 1
export const NFT_REG32_00 = 8
