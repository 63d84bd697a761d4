import { existsSync } from 'node:fs'
import { familyOf, type IpAddress } from '../../../address/address.ts'
import { mergePorts, type Protocol, portCount } from '../../../address/port.ts'
import type { PortHolder } from '../../kernel.ts'
import { holdsOneOf, type WantedPorts } from '../../port-conflict.ts'
import type { OpenListeners } from './open-listeners.ts'
import { type BoundSocket, listBoundSockets } from './sock-diag.ts'
import { findSocketOwners } from './socket-owners.ts'
import { canBind } from './sockets.ts'

/**
 * Binding a port costs 3 µs, listing those of TCP that are bound up to 600, whatever is asked for: the
 * kernel walks through the whole of its tables.
 */
const MOST_TRIED = 64

/** Who holds a port that is wanted. */
interface Conflict<Wanted> {
  readonly wanted: Wanted
  readonly holder: PortHolder
}

/** Sockets of the namespace the calling thread is in that get what comes to one of these ports. */
export function findHolders(
  wanted: readonly WantedPorts[],
  listeners: OpenListeners,
): PortHolder[] {
  return named(listHolders(wanted, listeners))
}

/** The first of these ports, in their order, that is held, and by which process. */
export function findConflict<W extends WantedPorts>(
  wanted: readonly W[],
  listeners: OpenListeners,
): Conflict<W> | undefined {
  const suspects = isWorthTrying(wanted) ? wanted.filter((each) => !isFree(each)) : wanted
  const sockets = listHolders(suspects, listeners)
  for (const each of suspects) {
    const socket = sockets.find((candidate) => holdsOneOf(each, candidate, candidate))
    if (socket !== undefined) return { wanted: each, holder: named([socket])[0]! }
  }
  return undefined
}

function isWorthTrying(wanted: readonly WantedPorts[]): boolean {
  let ports = 0
  for (const each of wanted) ports += portCount(each.ports)
  return ports <= MOST_TRIED
}

/** false: a socket may be there. Clients of other hosts are in the way as well, but hold nothing. */
function isFree({ protocol, address, ports }: WantedPorts): boolean {
  if (protocol === 'sctp') return false
  for (let port = ports.from; port <= ports.to; port++) {
    if (!canBind({ type: protocol, family: familyOf(address), address, port })) return false
  }
  return true
}

/** Without those the keeper listens on for us. */
function listHolders(wanted: readonly WantedPorts[], listeners: OpenListeners): BoundSocket[] {
  const sockets = (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => {
    const these = wanted.filter((each) => each.protocol === protocol)
    if (these.length === 0 || !isInUse(protocol)) return []
    const ranges = mergePorts(these.map(({ ports }) => ports))
    return familiesIn(these).flatMap((family) => listBoundSockets(family, protocol, ranges))
  })
  return sockets.filter(
    (socket) => !listeners.has(socket) && wanted.some((each) => holdsOneOf(each, socket, socket)),
  )
}

/** Asking for SCTP would load the kernel's module for it. */
function isInUse(protocol: Protocol): boolean {
  return protocol !== 'sctp' || existsSync('/proc/thread-self/net/sctp')
}

/** Sockets of IPv6 may also take what comes to IPv4. */
function familiesIn(wanted: readonly { readonly address: IpAddress }[]): readonly (4 | 6)[] {
  return wanted.some(({ address }) => familyOf(address) === 4) ? [4, 6] : [6]
}

function named(sockets: readonly BoundSocket[]): PortHolder[] {
  if (sockets.length === 0) return []
  const owners = findSocketOwners(sockets.map(({ inode }) => inode))
  return sockets.map(({ protocol, address, port, inode }) => ({
    protocol,
    address,
    port,
    ...owners.get(inode),
  }))
}
