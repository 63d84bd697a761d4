import { type PortRange, parsePorts, portCount, portsText } from '../../../address/port.ts'
import type { FlowsResource } from '../../resource.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { Batch } from '../nftables/batch.ts'
import type { Element, Place } from '../nftables/elements/element.ts'
import { getElement, listElements } from '../nftables/list.ts'
import { type QuietPorts, quietChange } from './quiet.ts'
import type { QuietMemory } from './quiet-memory.ts'

/** What happens to the ports of one address and protocol. */
interface Sender {
  readonly of: FlowsResource
  readonly ended: PortRange[]
  readonly begun: PortRange[]
}

const nothing: QuietPorts = { exact: [], ranges: [] }

/** What has changed, so that it can be undone. */
interface Written {
  readonly removed: readonly Element[]
  readonly added: readonly Element[]
}

/**
 * Makes senders quiet whose ports have been published, and lifts that from those whose ports now are,
 * as part of a transaction that the caller writes.
 */
export class QuietSenders {
  readonly #socket: NetlinkSocket
  readonly #tables: readonly TableDefinition[]
  readonly #memory: QuietMemory
  readonly #senders: readonly Sender[]
  #written: Written = { removed: [], added: [] }
  #room = true

  constructor(
    socket: NetlinkSocket,
    tables: readonly TableDefinition[],
    memory: QuietMemory,
    flows: FlowsChange,
  ) {
    this.#socket = socket
    this.#tables = tables
    this.#memory = memory
    this.#senders = sendersOf(flows)
  }

  /** Looks what there is, and writes down what has to change. `isFresh`: nothing is in that set yet. */
  write(batch: Batch, isFresh: (place: Place) => boolean = () => false): void {
    const removed: Element[] = []
    const added: Element[] = []
    for (const { of, ended, begun } of this.#senders) {
      const { family, table, set, ranges } = of.quiet
      const isEmpty = [set, ranges].some((name) => isFresh({ family, table, set: name }))
      const present = isEmpty ? nothing : this.#present(of, [...ended, ...begun])
      const { remove, add } = quietChange(present, ended, begun, this.#room)
      if (ended.length > 0) this.#memory.note(of)
      removed.push(...elementsOf(of, remove))
      added.push(...elementsOf(of, add))
    }
    batch.deleteElements(this.#tables, removed)
    batch.ensureElements(this.#tables, added)
    this.#written = { removed, added }
  }

  /**
   * From now on `write` adds ranges only: packets have filled the other sets (ENFILE), which the kernel
   * keeps small because packets add to them.
   */
  useRangesOnly(): void {
    this.#room = false
  }

  /** Writes down how to undo what `write` has written last. */
  writeBack(batch: Batch): void {
    batch.deleteElements(this.#tables, this.#written.added)
    batch.ensureElements(this.#tables, this.#written.removed)
  }

  /**
   * What is to be looked at again when the transaction is done, if anything: a packet from one of a
   * quiet range may have added its own port after the look.
   */
  get rest(): QuietSenders | undefined {
    if (this.#written.removed.length === 0) return undefined
    const begun = this.#senders.flatMap((sender) =>
      sender.begun.map((ports) => ({ ...sender.of, ports })),
    )
    return new QuietSenders(this.#socket, this.#tables, this.#memory, { ended: [], begun })
  }

  #present(of: FlowsResource, ports: readonly PortRange[]): QuietPorts {
    const { family, table, set, ranges } = of.quiet
    const all = () =>
      [set, ranges].flatMap((name) =>
        listElements(this.#socket, this.#tables, { family, table, set: name }).map(
          ({ key }) => key,
        ),
      )
    if (!this.#memory.mayHave(of, all)) return nothing
    const inSet = (name: string) => {
      const place = { family, table, set: name }
      const [only] = ports
      // One port is asked for. A set of ranges answers with the one that it is in.
      const found =
        ports.length > 1 || only === undefined || portCount(only) > 1
          ? listElements(this.#socket, this.#tables, place)
          : [getElement(this.#socket, this.#tables, { ...place, key: keyOf(of, only) })]
      return found.flatMap((element) => {
        const [address, protocol, text] = element?.key ?? []
        if (address !== of.address || protocol !== of.protocol) return []
        return text === undefined ? [] : [parsePorts(text)]
      })
    }
    return { exact: inSet(set).map(({ from }) => from), ranges: inSet(ranges) }
  }
}

export interface FlowsChange {
  readonly ended: readonly FlowsResource[]
  readonly begun: readonly FlowsResource[]
}

function sendersOf({ ended, begun }: FlowsChange): Sender[] {
  const senders = new Map<string, Sender>()
  const senderOf = (of: FlowsResource) => {
    const { address, protocol, quiet } = of
    const key = [quiet.family, quiet.table, quiet.set, quiet.ranges, address, protocol].join(' ')
    const sender = senders.get(key) ?? { of, ended: [], begun: [] }
    senders.set(key, sender)
    return sender
  }
  for (const flows of ended) senderOf(flows).ended.push(flows.ports)
  for (const flows of begun) senderOf(flows).begun.push(flows.ports)
  return [...senders.values()]
}

function elementsOf(of: FlowsResource, { exact, ranges }: QuietPorts): Element[] {
  const { family, table, set, ranges: rangeSet } = of.quiet
  return [
    ...exact.map((port) => {
      return { family, table, set, key: keyOf(of, { from: port, to: port }) }
    }),
    ...ranges.map((range) => ({ family, table, set: rangeSet, key: keyOf(of, range) })),
  ]
}

function keyOf({ address, protocol }: FlowsResource, ports: PortRange): readonly string[] {
  return [address, protocol, portsText(ports)]
}
