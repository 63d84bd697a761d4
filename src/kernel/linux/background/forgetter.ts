import { cidrAddress, familyOf, type IpAddress } from '../../../address/address.ts'
import type { Protocol } from '../../../address/port.ts'
import type { FlowsResource, ReservationResource } from '../../resource.ts'
import { type FlowFilter, flushConntrack } from '../conntrack/conntrack.ts'
import type { Forgotten } from '../conntrack/forgotten.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../netlink/netlink-socket.ts'
import { listAddresses } from '../rtnetlink/address.ts'
import { toWire, type WireError } from '../thread/wire-error.ts'

const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }

/** Lets conntrack forget flows: one walk through its table for all who ask at a time. */
export class Forgetter {
  readonly #socket: NetlinkSocket
  readonly #onForgotten: (ids: readonly number[], error: WireError | undefined) => void
  readonly #waiting = new Map<number, Forgotten>()
  // Kept open: closing it waits until the kernel has let go of elements that have been deleted.
  #netfilter: NetlinkSocket | undefined

  /** The socket is one of the host's namespace. */
  constructor(
    socket: NetlinkSocket,
    onForgotten: (ids: readonly number[], error: WireError | undefined) => void,
  ) {
    this.#socket = socket
    this.#onForgotten = onForgotten
  }

  add(id: number, forgotten: Forgotten): void {
    this.#waiting.set(id, forgotten)
  }

  close(): void {
    this.#netfilter?.close()
  }

  step(): void {
    if (this.#waiting.size === 0) return
    for (const what of ['ended', 'begun'] as const) {
      const due = [...this.#waiting].filter(([, forgotten]) => forgotten.what === what)
      const ids = due.map(([id]) => id)
      if (ids.length === 0) continue
      try {
        this.#forget(
          due.map(([, forgotten]) => forgotten),
          what === 'ended',
        )
        this.#onForgotten(ids, undefined)
      } catch (error) {
        this.#onForgotten(ids, toWire(error))
      }
    }
    this.#waiting.clear()
  }

  #forget(all: readonly Forgotten[], translated: boolean): void {
    const hosts = this.#hostAddresses()
    this.#netfilter ??= new NetlinkSocket(NETLINK_NETFILTER)
    const direct = all.flatMap(({ flows }) => flows.filter((it) => it.direct))
    // By itself, so that the kernel leaves out what isn't translated wherever it is not wanted.
    flushConntrack(
      this.#netfilter,
      direct.map((it) => ({ reply: repliesOf(it), translated: false })),
    )
    flushConntrack(this.#netfilter, [
      ...all.flatMap(({ flows }) => flows.map((it) => ({ reply: repliesOf(it), translated }))),
      ...all.flatMap(({ reservations }) =>
        reservations.flatMap((it) =>
          originalsOf(it, hosts).map((original) => ({ original, translated })),
        ),
      ),
    ])
  }

  #hostAddresses(): readonly IpAddress[] {
    return listAddresses(this.#socket).map(({ address }) => cidrAddress(address))
  }
}

function repliesOf({ address: source, protocol, ports: sourcePort }: FlowsResource): FlowFilter {
  return { source, protocol: PROTOCOL_NUMBERS[protocol], sourcePort }
}

/** Only what is sent to the host itself: what others send through it to such a port is not meant. */
function originalsOf(
  { address, protocol, ports }: ReservationResource,
  hosts: readonly IpAddress[],
): readonly FlowFilter[] {
  const isAny = address === '0.0.0.0' || address === '::'
  const family = familyOf(address)
  const destinations = isAny ? hosts.filter((host) => familyOf(host) === family) : [address]
  return destinations.map((destination) => {
    return { destination, protocol: PROTOCOL_NUMBERS[protocol], destinationPort: ports }
  })
}
