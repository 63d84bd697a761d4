import type { KernelEvent } from '../../kernel.ts'
import { be32, string } from '../netlink/codec.ts'
import { NFNL_SUBSYS_NFTABLES, nfgenmsg } from '../netlink/netfilter.ts'
import type { Notification } from '../netlink/netlink-socket.ts'
import { body, schema } from '../netlink/schema.ts'
import { familyName } from '../nftables/message.ts'
import type { RulesetPort } from '../ruleset/ruleset-port.ts'

// linux/netfilter/nf_tables.h
const NFT_MSG_NEWGEN = 15
const NFTA_GEN_PROC_PID = 2
const NFTA_GEN_PROC_NAME = 3

/** The table's name is attribute 1 of everything that is in a table, and of tables. */
const anyObject = body(nfgenmsg, schema({ table: [1, string] }))

const generation = body(
  nfgenmsg,
  schema({ pid: [NFTA_GEN_PROC_PID, be32], process: [NFTA_GEN_PROC_NAME, string] }),
)

/**
 * Others' transactions of nftables: their messages name the tables, the one at the end who it was. Ours
 * are told from them by the number of the socket, which no other can have.
 */
export class RulesetEvents {
  readonly #ours: RulesetPort
  readonly #tables = new Set<string>()

  constructor(ours: RulesetPort) {
    this.#ours = ours
  }

  of(notifications: readonly Notification[]): KernelEvent[] {
    return notifications.flatMap(({ header, body }) => {
      if (header.type >> 8 !== NFNL_SUBSYS_NFTABLES) return []
      if ((header.type & 0xff) === NFT_MSG_NEWGEN) return this.#transaction(header.portId, body)
      const { header: head, attributes } = anyObject.decode(body)
      const family = familyName(head.family)
      if (family !== undefined) this.#tables.add(`${family} ${attributes.table}`)
      return []
    })
  }

  #transaction(portId: number, body: Buffer): KernelEvent[] {
    const { pid, process } = generation.decode(body).attributes
    const tables = [...this.#tables]
    this.#tables.clear()
    if (this.#ours.is(portId)) return []
    return tables.map((table) => ({ type: 'ruleset', table, process, pid }))
  }
}
