import { KernelError } from '../../base/errors.ts'
import type { NamespaceRef } from '../resource.ts'
import { close, O_RDONLY, open } from './ffi/file.ts'
import { interfaceIndex } from './ffi/interface.ts'
import { checkCookie, type Namespaces, OWN_NAMESPACE, openNamespace } from './namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from './netlink/netlink-socket.ts'

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
      socket = this.#namespaces.enter(fd, routeSocket)
      if (ref.cookie !== undefined) checkCookie(ref, socket.namespaceCookie())
      return new Place(fd, socket)
    } catch (error) {
      socket?.close()
      close(fd)
      throw error
    }
  }
}

/** The namespace the calling thread is in just now. */
export function ownPlace(): Place {
  const fd = open(OWN_NAMESPACE, O_RDONLY)
  try {
    return new Place(fd, routeSocket())
  } catch (error) {
    close(fd)
    throw error
  }
}

function routeSocket(): NetlinkSocket {
  return new NetlinkSocket(NETLINK_ROUTE)
}
