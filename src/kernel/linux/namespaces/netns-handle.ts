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
 * anywhere. Both keep the namespace alive, so a handle is never kept for longer than an operation.
 */
export class NetnsHandle {
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

/** The handles of one operation: each is opened once, when it is needed, and all are closed at its end. */
export class NetnsHandles {
  readonly host: NetnsHandle
  readonly #namespaces: Namespaces
  readonly #open = new Map<string, NetnsHandle>()

  constructor(namespaces: Namespaces, host: NetnsHandle) {
    this.#namespaces = namespaces
    this.host = host
  }

  /** Errors: NAMESPACE_NOT_FOUND, MISSING_CAPABILITY. */
  at(ref: NamespaceRef | undefined): NetnsHandle {
    if (ref === undefined) return this.host
    const known = this.#open.get(ref.path)
    if (known !== undefined) return known
    const netns = this.#enter(ref)
    this.#open.set(ref.path, netns)
    return netns
  }

  /** undefined: there is no such namespace, or no longer, and nothing of what was in it. */
  find(ref: NamespaceRef | undefined): NetnsHandle | undefined {
    try {
      return this.at(ref)
    } catch (error) {
      if (isCnmError(error, 'NAMESPACE_NOT_FOUND')) return undefined
      throw error
    }
  }

  /** Takes over a handle of a namespace that has just been made. */
  add(path: string, netns: NetnsHandle): void {
    this.#open.set(path, netns)
  }

  close(): void {
    for (const netns of this.#open.values()) netns.close()
    this.#open.clear()
  }

  #enter(ref: NamespaceRef): NetnsHandle {
    const fd = openNamespace(ref)
    let socket: NetlinkSocket | undefined
    try {
      const reopen = () => this.#namespaces.enter<number>(fd, () => routeSocket().fd)
      socket = this.#namespaces.enter(fd, () => routeSocket({ most: MOST_LISTED, reopen }))
      if (ref.cookie !== undefined) checkCookie(ref, socket.namespaceCookie())
      return new NetnsHandle(fd, socket)
    } catch (error) {
      socket?.close()
      close(fd)
      throw error
    }
  }
}

/** The namespace the calling thread is in just now, the host's. */
export function ownNetns(): NetnsHandle {
  return netnsHere(() => routeSocket())
}

/** The same where it is a sandbox's: as long as the thread stays in it. */
export function sandboxNetns(): NetnsHandle {
  return netnsHere(() => sandboxSocket(NETLINK_ROUTE))
}

/** A socket of a sandbox's namespace, the one the calling thread is in, and stays in as long as it is used. */
export function sandboxSocket(
  protocol: typeof NETLINK_ROUTE | typeof NETLINK_NETFILTER,
): NetlinkSocket {
  const reopen = () => new NetlinkSocket(protocol).fd
  return new NetlinkSocket(protocol, { most: MOST_LISTED, reopen })
}

function netnsHere(makeSocket: () => NetlinkSocket): NetnsHandle {
  const fd = open(OWN_NAMESPACE, O_RDONLY)
  try {
    return new NetnsHandle(fd, makeSocket())
  } catch (error) {
    close(fd)
    throw error
  }
}

function routeSocket(limits?: DumpLimits): NetlinkSocket {
  return new NetlinkSocket(NETLINK_ROUTE, limits)
}
