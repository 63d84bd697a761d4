import { cidrAddress, familyOf, type IpAddress } from '../../../../address/address.ts'
import type { AnnouncementResource } from '../../../resource.ts'
import { uncounted } from '../../ffi/fault.ts'
import { close } from '../../ffi/file.ts'
import {
  AF_INET6,
  bind,
  connect,
  IPPROTO_ICMPV6,
  IPPROTO_IPV6,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_LOOP,
  internetAddress,
  SOCK_RAW,
  send,
  setsockopt,
  socket,
} from '../../ffi/socket.ts'
import type { Namespaces } from '../../namespaces/namespace.ts'
import { type NetnsHandle, NetnsHandles } from '../../namespaces/netns-handle.ts'
import { listAddresses } from '../../rtnetlink/address.ts'
import { getLink } from '../../rtnetlink/link.ts'
import { deleteNeighbour, solicitNeighbour } from '../../rtnetlink/neighbour.ts'
import { neighbourAdvertisement } from './neighbour-advertisement.ts'

const allNodes = 'ff02::1' as IpAddress

/** What has still to be said, and how often. */
interface Remainder {
  readonly resource: AnnouncementResource
  readonly times: number
  readonly timer: NodeJS.Timeout
}

/**
 * Tells links where addresses are, at once and again later, from the calling thread. In between
 * nothing is kept of a sandbox: neither the process nor the namespace lives on for an announcement.
 */
export class Announcer {
  readonly #namespaces: Namespaces
  readonly #host: NetnsHandle
  readonly #remainders = new Map<string, Remainder>()

  constructor(namespaces: Namespaces, host: NetnsHandle) {
    this.#namespaces = namespaces
    this.#host = host
  }

  /** Says it once, if that is possible: what can't be said is no reason to fail. */
  say(netns: NetnsHandle, resource: AnnouncementResource): void {
    uncounted(() => {
      try {
        this.#say(netns, resource)
      } catch {
        // Its neighbours ask for it when what they know has grown old.
      }
    })
  }

  /**
   * Says it so many times more, beginning after an interval, instead of what was still to be said
   * under that key. Answers with what brings that back.
   */
  repeat(key: string, resource: AnnouncementResource, times: number): () => void {
    const before = this.#remainders.get(key)
    clearTimeout(before?.timer)
    this.#remainders.delete(key)
    if (times > 0) {
      const timer = setTimeout(() => this.#sayAgain(key), resource.intervalMs).unref()
      this.#remainders.set(key, { resource, times, timer })
    }
    return () => this.repeat(key, before?.resource ?? resource, before?.times ?? 0)
  }

  close(): void {
    for (const { timer } of this.#remainders.values()) clearTimeout(timer)
    this.#remainders.clear()
  }

  #sayAgain(key: string): void {
    const { resource, times } = this.#remainders.get(key)!
    const handles = new NetnsHandles(this.#namespaces, this.#host)
    const isTrue = uncounted(() => {
      try {
        const netns = handles.at(resource.namespace)
        if (!isThere(netns, resource)) return false
        this.#say(netns, resource)
        return true
      } catch {
        // The sandbox is gone, or its link.
        return false
      } finally {
        handles.close()
      }
    })
    this.repeat(key, resource, isTrue ? times - 1 : 0)
  }

  #say(netns: NetnsHandle, resource: AnnouncementResource): void {
    const index = netns.index(resource.link)
    if (familyOf(resource.address) === 6) this.#advertise(netns, index, resource)
    else askForItself(netns, index, resource.address)
  }

  #advertise(netns: NetnsHandle, link: number, { address, mac }: AnnouncementResource): void {
    const open = () => socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
    const fd = this.#namespaces.enter<number>(netns.fd, open)
    try {
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255)
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0)
      bind(fd, internetAddress(address, 0, link))
      connect(fd, internetAddress(allNodes, 0, link))
      const bytes = neighbourAdvertisement(address, mac)
      // The kernel adds the checksum.
      send(fd, bytes, bytes.length)
    } finally {
      close(fd)
    }
  }
}

/**
 * Gratuitous ARP: a link that asks who has its own address tells all others that it has it. To let the
 * kernel ask takes some microseconds; a packet socket would do as well, but closing one takes 15 ms.
 * It asks by the first address of the subnet: for a second one this is an ordinary question.
 */
function askForItself({ socket }: NetnsHandle, link: number, address: IpAddress): void {
  // At once taken back, or it would ask again by itself, and remember that there was no answer.
  socket.requestAll([solicitNeighbour(link, address), deleteNeighbour(link, address)])
}

/** Whether the sandbox still has that address, and at that link. */
function isThere({ socket }: NetnsHandle, { link, address, mac }: AnnouncementResource): boolean {
  const { index, up, mac: found } = getLink(socket, link)
  if (!up || found !== mac) return false
  return listAddresses(socket, { link: index, family: familyOf(address) }).some(
    (it) => cidrAddress(it.address) === address,
  )
}
