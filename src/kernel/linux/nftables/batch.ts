import { KernelError } from '../../../base/errors.ts'
import type {
  ChainDefinition,
  Family,
  RuleDefinition,
  SetDefinition,
  TableDefinition,
} from '../../ruleset.ts'
import { type Message, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts'
import { NFNL_SUBSYS_NFTABLES, nfgenmsg } from '../netlink/netfilter.ts'
import type { Failure, NetlinkSocket } from '../netlink/netlink-socket.ts'
import { forEachAttribute } from '../netlink/schema.ts'
import { NFTA_SET_ELEM_LIST_ELEMENTS } from './constants.ts'
import { type Element, encodeElement } from './elements/element.ts'
import { type ElementOperation, elementLoads } from './elements/element-loads.ts'
import {
  chainBody,
  elementsBody,
  familyHeader,
  nftMessage,
  type Operation,
  ruleBody,
  setBody,
  tableBody,
} from './message.ts'
import { chainAttributes } from './rules/chain.ts'
import { ANONYMOUS_NAME, type AnonymousSet, compileRule } from './rules/rule.ts'
import { anonymousSetAttributes, anonymousShape, setAttributes } from './set.ts'
import { encodeComment, encodeUserData } from './values/user-data.ts'

/** A table as it is named. */
export interface TableName {
  readonly family: Family
  readonly name: string
}

/** `inet cnm` */
export function tableTarget({ family, name }: TableName): string {
  return `${family} ${name}`
}

/**
 * One transaction: everything in it happens at `commit`, or nothing. The verbs only write down what is
 * to be done; what the kernel has against it comes out at `commit`.
 */
export class Batch {
  readonly #messages: Message[] = []
  /** How to name the element of an entry of a message, should the kernel refuse it. */
  readonly #namers = new Map<Message, (entry: number) => string | undefined>()
  #lastSetId = 0

  /** Equivalent to: `nft add table FAMILY NAME { flags … }`. */
  addTable(table: TableName, flags = 0): void {
    const attributes = { name: table.name, flags }
    const body = tableBody.encode(familyHeader(table.family), attributes)
    this.#add('NFT_MSG_NEWTABLE', NLM_F_CREATE, body, `table ${tableTarget(table)}`)
  }

  /** Equivalent to: `nft delete table FAMILY NAME`. */
  deleteTable(table: TableName): void {
    const body = tableBody.encode(familyHeader(table.family), { name: table.name })
    this.#add('NFT_MSG_DELTABLE', 0, body, `table ${tableTarget(table)}`)
  }

  /** Equivalent to: `nft flush table FAMILY NAME`: its rules go, chains and sets stay. */
  flushTable(table: TableName): void {
    const body = ruleBody.encode(familyHeader(table.family), { table: table.name })
    this.#add('NFT_MSG_DELRULE', 0, body, `table ${tableTarget(table)}`)
  }

  /** Equivalent to: `nft add set …` or `nft add map …`. One that is there, just so, is fine. */
  addSet(table: TableName, set: SetDefinition): void {
    const attributes = {
      table: table.name,
      name: set.name,
      id: this.#nextSetId(),
      ...setAttributes(set),
    }
    const body = setBody.encode(familyHeader(table.family), attributes)
    this.#add('NFT_MSG_NEWSET', NLM_F_CREATE, body, `set ${tableTarget(table)} ${set.name}`)
  }

  /** Equivalent to: `nft delete set FAMILY TABLE NAME`. */
  deleteSet(table: TableName, name: string): void {
    const body = setBody.encode(familyHeader(table.family), { table: table.name, name })
    this.#add('NFT_MSG_DELSET', 0, body, `set ${tableTarget(table)} ${name}`)
  }

  /** Equivalent to: `nft add chain FAMILY TABLE NAME { … }`. One that is there is fine. */
  addChain(table: TableName, chain: ChainDefinition): void {
    const { name } = chain
    const attributes = { table: table.name, name, ...chainAttributes(table.family, chain) }
    const body = chainBody.encode(familyHeader(table.family), attributes)
    this.#add('NFT_MSG_NEWCHAIN', NLM_F_CREATE, body, `chain ${tableTarget(table)} ${name}`)
  }

  /** Equivalent to: `nft delete chain FAMILY TABLE NAME`. */
  deleteChain(table: TableName, name: string): void {
    const body = chainBody.encode(familyHeader(table.family), { table: table.name, name })
    this.#add('NFT_MSG_DELCHAIN', 0, body, `chain ${tableTarget(table)} ${name}`)
  }

  /** Equivalent to: `nft add rule FAMILY TABLE CHAIN …`. */
  addRule(table: TableDefinition, chain: string, rule: RuleDefinition): void {
    const comment = rule.comment === undefined ? '' : ` comment "${rule.comment}"`
    const target = `rule ${tableTarget(table)} ${chain}${comment}`
    const { sets, expressions } = compileRule(table, rule, () => this.#nextSetId())
    for (const set of sets) this.#addAnonymousSet(table, set, target)
    const attributes = {
      table: table.name,
      chain,
      expressions,
      ...(rule.comment === undefined
        ? {}
        : { userData: encodeUserData([encodeComment(rule.comment)]) }),
    }
    const body = ruleBody.encode(familyHeader(table.family), attributes)
    this.#add('NFT_MSG_NEWRULE', NLM_F_CREATE | NLM_F_APPEND, body, target)
  }

  /**
   * Equivalent to: `nft create element FAMILY TABLE SET { … }`: refused with EEXIST if one is there.
   * The definitions say how the elements' sets are made up.
   */
  addElements(tables: readonly TableDefinition[], elements: readonly Element[]): void {
    this.#changeElements('NFT_MSG_NEWSETELEM', NLM_F_CREATE | NLM_F_EXCL, tables, elements)
  }

  /** Equivalent to: `nft add element FAMILY TABLE SET { … }`. One that is there, just so, is fine. */
  ensureElements(tables: readonly TableDefinition[], elements: readonly Element[]): void {
    this.#changeElements('NFT_MSG_NEWSETELEM', NLM_F_CREATE, tables, elements)
  }

  /** Equivalent to: `nft delete element FAMILY TABLE SET { … }`: refused with ENOENT if it isn't there. */
  deleteElements(tables: readonly TableDefinition[], elements: readonly Element[]): void {
    this.#changeElements('NFT_MSG_DELSETELEM', 0, tables, elements)
  }

  /** How long it is, as far as it has been written. */
  get bytes(): number {
    return this.#messages.reduce((sum, { body }) => sum + body.length, 0)
  }

  /**
   * Makes it all true at once. Throws a KernelError that names the first object that was refused. `generation`:
   * ERESTART, if that transaction isn't the last before it.
   */
  commit(socket: NetlinkSocket, generation?: number): void {
    const [failure] = socket.batch(NFNL_SUBSYS_NFTABLES, this.#messages, generation)
    if (failure !== undefined) throw this.#explain(failure)
  }

  #add(operation: Operation, flags: number, body: Uint8Array, target: string): Message {
    const message = nftMessage(operation, flags, body, target)
    this.#messages.push(message)
    return message
  }

  #nextSetId(): number {
    this.#lastSetId += 1
    return this.#lastSetId
  }

  #addAnonymousSet(table: TableDefinition, set: AnonymousSet, target: string): void {
    const { family, name } = table
    const header = familyHeader(family)
    const attributes = { table: name, name: ANONYMOUS_NAME, id: set.id }
    const body = setBody.encode(header, { ...attributes, ...anonymousSetAttributes(set) })
    this.#add('NFT_MSG_NEWSET', NLM_F_CREATE, body, target)
    const shape = anonymousShape(set)
    const place = { table: name, set: ANONYMOUS_NAME }
    const elements = set.values.flatMap((text) =>
      encodeElement(shape, { family, ...place, key: [text] }),
    )
    const content = elementsBody.encode(header, { ...place, setId: set.id, elements })
    this.#add('NFT_MSG_NEWSETELEM', NLM_F_CREATE, content, target)
  }

  #changeElements(
    operation: ElementOperation,
    flags: number,
    tables: readonly TableDefinition[],
    elements: readonly Element[],
  ): void {
    for (const { place, body, nameOf } of elementLoads(operation, tables, elements)) {
      const target = `elements of ${place.family} ${place.table} ${place.set}`
      this.#namers.set(this.#add(operation, flags, body, target), nameOf)
    }
  }

  #explain({ index, error, offset }: Failure): KernelError {
    const message = index === undefined ? undefined : this.#messages[index]
    const name = message && this.#namers.get(message)
    if (message === undefined || name === undefined || offset === undefined) return error
    const target = name(entryAt(message.body, offset))
    return target === undefined ? error : new KernelError(error.operation, error.errno, { target })
  }
}

/** Which entry of an elements message an offset in its body points into; -1: none. */
function entryAt(body: Uint8Array, offset: number): number {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const attributeHeader = 4
  let found = -1
  forEachAttribute(buffer, nfgenmsg.size, buffer.length, (type, start, end) => {
    if (type !== NFTA_SET_ELEM_LIST_ELEMENTS) return
    let index = 0
    forEachAttribute(buffer, start, end, (_, from, to) => {
      if (offset >= from - attributeHeader && offset < to) found = index
      index += 1
    })
  })
  return found
}
