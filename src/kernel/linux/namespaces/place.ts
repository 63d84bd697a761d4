import { isCnmError, KernelError } from '../../../base/errors.ts'
import type { NamespaceRef } from '../../resource.ts'
import { close, O_RDONLY, open } from '../ffi/file.ts'
import { interfaceIndex } from '../ffi/interface.ts'
import {
  type DumpLimits,
  type NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NetlinkSocket,
} from '../netlink/netlink-socket.ts'
import { checkCookie, type Namespaces, OWN_NAMESPACE, openNamespace } from './namespace.ts'

/**
 * Of whatever kind, that are read of a sandbox's namespace at once: root there can make as many as it
 * likes, and all other sandboxes would wait meanwhile. To read so many takes some tens of milliseconds.
 */
export const MOST_LISTED = 10_000

/**
 * A network namespace at hand: its descriptor and a netlink socket made inside it, which works from
 * anywhere. Both keep the namespace alive, so a place is never kept for longer than an operation.
 */
export class Place {
  readonly fd: number
  readonly socket: NetlinkSocket

  constructor(fd: number, socket: NetlinkSocket) {
    this.fd = fd
    this.socket = socket
  }

  findIndex(link: string): number | undefined {
    return interfaceIndex(this.socket.fd, link)
  }

  /** ENODEV if there is no such link. */
  index(link: string): number {
    const index = this.findIndex(link)
    if (index !== undefined) return index
    throw new KernelError('SIOCGIFINDEX', 'ENODEV', {
      target: `link ${link}`,
      message: 'there is no such link',
    })
  }

  /** The same for a moment in which no link comes or goes: each is asked for once. */
  indexes(): (link: string) => number {
    const known = new Map<string, number>()
    return (link) => {
      const index = known.get(link) ?? this.index(link)
      known.set(link, index)
      return index
    }
  }

  close(): void {
    this.socket.close()
    close(this.fd)
  }
}

/** The places of one operation: each is opened once, when it is needed, and all are closed at its end. */
export class Places {
  readonly host: Place
  readonly #namespaces: Namespaces
  readonly #open = new Map<string, Place>()

  constructor(namespaces: Namespaces, host: Place) {
    this.#namespaces = namespaces
    this.host = host
  }

  /** Errors: NAMESPACE_NOT_FOUND, MISSING_CAPABILITY. */
  at(ref: NamespaceRef | undefined): Place {
    if (ref === undefined) return this.host
    const known = this.#open.get(ref.path)
    if (known !== undefined) return known
    const place = this.#enter(ref)
    this.#open.set(ref.path, place)
    return place
  }

  /** undefined: there is no such namespace, or no longer, and nothing of what was in it. */
  find(ref: NamespaceRef | undefined): Place | undefined {
    try {
      return this.at(ref)
    } catch (error) {
      if (isCnmError(error, 'NAMESPACE_NOT_FOUND')) return undefined
      throw error
    }
  }

  /** Takes over a place that has just been made. */
  add(path: string, place: Place): void {
    this.#open.set(path, place)
  }

  close(): void {
    for (const place of this.#open.values()) place.close()
    this.#open.clear()
  }

  #enter(ref: NamespaceRef): Place {
    const fd = openNamespace(ref)
    let socket: NetlinkSocket | undefined
    try {
      const reopen = () => this.#namespaces.enter<number>(fd, () => routeSocket().fd)
      socket = this.#namespaces.enter(fd, () => routeSocket({ most: MOST_LISTED, reopen }))
      if (ref.cookie !== undefined) checkCookie(ref, socket.namespaceCookie())
      return new Place(fd, socket)
    } catch (error) {
      socket?.close()
      close(fd)
      throw error
    }
  }
}

/** The namespace the calling thread is in just now, the host's. */
export function ownPlace(): Place {
  return placeHere(() => routeSocket())
}

/** The same where it is a sandbox's: as long as the thread stays in it. */
export function sandboxPlace(): Place {
  return placeHere(() => sandboxSocket(NETLINK_ROUTE))
}

/** A socket of a sandbox's namespace, the one the calling thread is in, and stays in as long as it is used. */
export function sandboxSocket(
  protocol: typeof NETLINK_ROUTE | typeof NETLINK_NETFILTER,
): NetlinkSocket {
  const reopen = () => new NetlinkSocket(protocol).fd
  return new NetlinkSocket(protocol, { most: MOST_LISTED, reopen })
}

function placeHere(makeSocket: () => NetlinkSocket): Place {
  const fd = open(OWN_NAMESPACE, O_RDONLY)
  try {
    return new Place(fd, makeSocket())
  } catch (error) {
    close(fd)
    throw error
  }
}

function routeSocket(limits?: DumpLimits): NetlinkSocket {
  return new NetlinkSocket(NETLINK_ROUTE, limits)
}
