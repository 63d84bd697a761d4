/**
 * The host's nftables ruleset as this process holds it: the socket that owns tables (here), and what others do
 * to it meanwhile (ruleset-listener).
 */

import { CnmError, isKernelError } from '../../../base/errors.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { KeeperLink } from '../keeper/link.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../netlink/netlink-socket.ts'
import { Batch, type TableName, tableTarget } from '../nftables/batch.ts'
import { NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST } from '../nftables/constants.ts'
import type { Place } from '../nftables/elements/element.ts'
import { listPresent } from '../nftables/elements/present-elements.ts'
import { RememberedElements } from '../nftables/elements/remembered-elements.ts'
import { type ListedTable, listTables } from '../nftables/list.ts'
import { QuietMemory } from './quiet-memory.ts'
import { RulesetListener } from './ruleset-listener.ts'
import type { RulesetPort } from './ruleset-port.ts'

/** What the keeper calls the socket that owns tables. */
const OWNER = 'owner'

/**
 * The host's nftables tables that were described to this engine, and the one socket that owns them.
 * Their definitions are remembered: they say how elements are written and read.
 */
export class Ruleset {
  readonly quiet = new QuietMemory()
  readonly listener = new RulesetListener()
  readonly remembered = new RememberedElements()
  readonly #definitions = new Map<string, TableDefinition>()
  readonly #port: RulesetPort
  readonly #link: KeeperLink | undefined
  #socket: NetlinkSocket | undefined
  /** undefined: not tried yet. */
  #canOwn: boolean | undefined

  /** `link`: to a keeper, in which the socket goes on owning the tables whatever comes of this process. */
  constructor(options: { readonly persist: boolean }, port: RulesetPort, link?: KeeperLink) {
    this.#port = port
    this.#canOwn = options.persist ? undefined : false
    this.#link = link
    const [fd] = link?.takeInherited(OWNER)[0]?.[1] ?? []
    if (fd !== undefined) this.#use(new NetlinkSocket({ fd }))
  }

  /** Opened when it is first needed: not every machine has nftables, not every network needs it. */
  get socket(): NetlinkSocket {
    return this.#socket ?? this.#use(new NetlinkSocket(NETLINK_NETFILTER))
  }

  get definitions(): readonly TableDefinition[] {
    return [...this.#definitions.values()]
  }

  definition(table: TableName): TableDefinition | undefined {
    return this.#definitions.get(tableTarget(table))
  }

  isThere(table: TableName): boolean {
    return this.find(table) !== undefined
  }

  find({ family, name }: TableName): ListedTable | undefined {
    return listTables(this.socket).find((table) => table.family === family && table.name === name)
  }

  /** Whether another process's socket owns it. */
  isAnothers({ owner }: ListedTable): boolean {
    return owner !== undefined && owner !== this.socket.portId
  }

  /** As `batch.commit`. */
  commit(batch: Batch, generation?: number): void {
    this.listener.commit(this.socket, batch, generation)
  }

  /** What a definition comes to on this kernel: without persistent owners, an ordinary table. */
  asPossible(table: TableDefinition): TableDefinition {
    if (!table.owned) return table
    this.#canOwn ??= canOwnTables(this.socket)
    return this.#canOwn ? table : { ...table, owned: false }
  }

  /** Keys of all there is in a set; nothing where it isn't there. */
  keysIn(set: Place): readonly (readonly string[])[] {
    const { family, table: name } = set
    const isKnown = this.definition({ family, name })?.sets.some((it) => it.name === set.set)
    if (!isKnown) return []
    return listPresent(this.socket, this.definitions, set).map(({ key }) => key)
  }

  /** It is what its definition says. */
  remember(table: TableDefinition): void {
    this.#definitions.set(tableTarget(table), table)
  }

  forget(table: TableName): void {
    this.#definitions.delete(tableTarget(table))
  }

  close(): void {
    this.#socket?.close()
  }

  #use(socket: NetlinkSocket): NetlinkSocket {
    this.#socket = socket
    this.#port.set(socket.portId)
    this.#link?.hold(OWNER, [socket.fd])
    return socket
  }
}

/** Ownership is a socket's, so as long as there is an owner, its process lives. */
export function ownedByAnother(table: TableName): CnmError {
  return new CnmError('ENGINE_RUNNING', `another engine on this host owns ${tableTarget(table)}`, {
    details: { table: tableTarget(table) },
    hint: 'talk to that one, or stop it',
  })
}

/** Since Linux 6.9. Tried with a table that is deleted in the same transaction. */
function canOwnTables(socket: NetlinkSocket): boolean {
  const probe = { family: 'inet', name: 'cnm-probe' } as const
  const batch = new Batch()
  batch.addTable(probe, NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST)
  batch.deleteTable(probe)
  try {
    batch.commit(socket)
    return true
  } catch (error) {
    if (isKernelError(error, 'EOPNOTSUPP')) return false
    throw error
  }
}
