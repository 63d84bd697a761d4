import { CnmError, KernelError } from '../../../../base/errors.ts'
import { LINK_GROUP } from '../../../link-groups.ts'
import { type BridgeResource, resourceKey, type VethResource } from '../../../resource.ts'
import { condemn, findLink, freeName, type OwnKind } from '../../apply/condemn.ts'
import type { Plan } from '../../apply/plan.ts'
import type { Step, Transaction } from '../../apply/transaction.ts'
import type { Place } from '../../namespaces/place.ts'
import type { Message } from '../../netlink/message.ts'
import { condemnedName, isAlive, isOurs } from '../../ours.ts'
import {
  getLink,
  type Link,
  newBridge,
  newIfb,
  newVeth,
  renameLink,
  setLink,
  settleCarrier,
} from '../../rtnetlink/link.ts'
import { neighbourSteps, rememberFixed } from '../neighbour/neighbour.ts'
import { portSettings, portSettingsOf } from './port-settings.ts'

const oneQueue = { sendQueues: 1, receiveQueues: 1 }

/** A link of ours that has to be there. */
interface Wish {
  readonly name: string
  readonly kind: OwnKind
  readonly key: string
  readonly message: Message
  /** Whether a link of that name and kind is ours, though its group doesn't say so. */
  knows?(found: Link): boolean
  /** Makes a link of that name and kind what it should be; false: it has to be made anew. */
  adjust(found: Link): boolean
  /** Throws what it is really about, where the kernel's word for it doesn't say so. */
  refused?(error: KernelError): void
  /** Undoes what making the link did elsewhere than on the host. */
  release?(made: Link): void
}

/** Bridges in `add`: made, or found. */
export function makeBridges(transaction: Transaction, bridges: readonly BridgeResource[]): void {
  for (const bridge of bridges) if (bridge.origin === 'adopt') findAdopted(transaction, bridge)
  const own = bridges.filter(({ origin }) => origin === 'own')
  make(
    transaction,
    own.map((bridge) => wishForBridge(transaction, bridge)),
  )
  // Set after its birth, it stays; given at birth, the bridge follows its ports.
  const { host } = transaction
  const sized = own.flatMap(({ mtu, ...bridge }) => {
    if (mtu === undefined) return []
    return [{ key: resourceKey(bridge), message: setLink(host.index(bridge.name), { mtu }) }]
  })
  transaction.send(host.socket, sized)
}

/**
 * Veth pairs in `add`: made, or found, and whose they are told to bridge and host. The sandbox's end of a new
 * one is still down.
 */
export function makeVeths(transaction: Transaction, plan: Plan): void {
  const { host } = transaction
  const { veths } = plan.add
  make(
    transaction,
    veths.map((veth) =>
      transaction.attempt(resourceKey(veth), () => wishForVeth(transaction, veth)),
    ),
  )
  // By index and not by name: only now is it certain that the link is ours.
  const indexOf = host.indexes()
  const settings = veths.map((veth): Step => {
    const index = indexOf(veth.name)
    const key = resourceKey(veth)
    const port = { ...portSettings, learning: veth.learning ?? true }
    const was = plan.before.get(key)
    const learned = was?.kind === 'veth' ? (was.learning ?? true) : port.learning
    return {
      key,
      message: setLink(index, { ...port, ipv6AddressGeneration: 'none' }),
      ...(learned === port.learning
        ? {}
        : { undo: () => host.socket.request(setLink(index, { learning: learned })) }),
      // A kernel without IPv6 has no such setting.
      refused: ({ errno }) => {
        if (errno !== 'EAFNOSUPPORT') return false
        host.socket.request(setLink(index, port))
        return true
      },
    }
  })
  transaction.send(host.socket, [...settings, ...neighbourSteps(transaction, plan, indexOf)])
}

/** Links for others' packets to be redirected to: made, or found. A new one is still down. */
export function makeIfbs(
  transaction: Transaction,
  ifbs: readonly { readonly name: string; readonly key: string }[],
): void {
  const wishes = ifbs.map(({ name, key }): Wish => {
    return {
      name,
      kind: 'ifb',
      key,
      message: newIfb({ name, group: LINK_GROUP }),
      adjust: () => true,
    }
  })
  make(transaction, wishes)
}

/**
 * To be called when the other ends are up: only then do these have a carrier, and a bridge with its
 * first port. Otherwise the first packets would be lost, and IPv6 asks again only after a second.
 */
export function settleCarriers({ host }: Transaction, veths: readonly VethResource[]): void {
  const ends = veths.map(({ name }) => name)
  for (const link of new Set([...ends, ...veths.map(({ bridge }) => bridge)])) {
    settleCarrier(host.socket, host.index(link))
  }
}

function make(transaction: Transaction, wishes: readonly Wish[]): void {
  transaction.send(
    transaction.host.socket,
    wishes.map((wish) => ({
      ...making(transaction, wish),
      refused: (error) => {
        wish.refused?.(error)
        return error.errno === 'EEXIST' && settle(transaction, wish)
      },
    })),
  )
}

function making(transaction: Transaction, { name, key, message, release }: Wish): Step {
  const { host } = transaction
  const undo = () => {
    const link = getLink(host.socket, host.index(name))
    release?.(link)
    host.socket.request(condemn(transaction, link, key, true).message)
    transaction.doomLink(link.index)
    host.socket.request(renameLink(link.index, condemnedName(link.index)))
  }
  return { key, message, undo }
}

/**
 * There is a link of that name: ours (it is adjusted), one that is going (it makes room), or somebody
 * else's (LINK_EXISTS).
 */
function settle(transaction: Transaction, wish: Wish): true {
  const link = findLink(transaction.host, wish.name)
  if (link === undefined) {
    // One that was going has just gone, or it is the other end's name that is taken.
    transaction.send(transaction.host.socket, [making(transaction, wish)])
    return true
  }
  if (isAlive(link)) {
    const isOwn = link.kind === wish.kind && (isOurs(link) || wish.knows?.(link))
    if (!isOwn) throw foreign(wish.name, link)
    if (wish.adjust(link)) return true
    const restore = rememberFixed(transaction, link, wish.key)
    transaction.send(transaction.host.socket, [condemn(transaction, link, wish.key, true)])
    makeRoom(transaction, link, wish.key)
    transaction.send(transaction.host.socket, [making(transaction, wish)])
    restore()
    return true
  }
  makeRoom(transaction, link, wish.key)
  transaction.send(transaction.host.socket, [making(transaction, wish)])
  return true
}

/** Equivalent to: `ip link set LINK name …`, for a link that is going. */
function makeRoom(transaction: Transaction, link: Link, key: string): void {
  const { host } = transaction
  transaction.send(host.socket, [
    {
      key,
      message: renameLink(link.index, condemnedName(link.index)),
      undo: () => host.socket.request(renameLink(link.index, link.name)),
      // It is gone already.
      refused: ({ errno }) => errno === 'ENODEV',
    },
  ])
}

function wishForBridge(transaction: Transaction, bridge: BridgeResource): Wish {
  const { name, mtu, mac, maxLearned = 0 } = bridge
  const key = resourceKey(bridge)
  const address = mac === undefined ? {} : { mac }
  return {
    name,
    kind: 'bridge',
    key,
    message: newBridge({ name, up: true, group: LINK_GROUP, maxLearned, ...address }),
    adjust(found) {
      const size = mtu === undefined ? {} : { mtu }
      adjust(transaction, transaction.host, found, { ...size, ...address, maxLearned }, key)
      return true
    },
  }
}

function wishForVeth(transaction: Transaction, veth: VethResource): Wish {
  const { host } = transaction
  const { name, mtu, group = LINK_GROUP } = veth
  const key = resourceKey(veth)
  const place = transaction.places.at(veth.peer.namespace)
  const peer = { name: veth.peer.name, mtu, mac: veth.peer.mac }
  const master = host.index(veth.bridge)
  if (place.findIndex(peer.name) !== undefined && host.findIndex(name) === undefined) {
    throw taken(veth)
  }
  const otherEnd = (found: Link): Link | undefined => {
    const other = findLink(place, peer.name)
    return other?.index === found.peer && other?.peer === found.index ? other : undefined
  }
  return {
    name,
    kind: 'veth',
    key,
    // Another process has taken it out of its group, but not out of the sandbox.
    knows: (found) => veth.peer.namespace !== undefined && otherEnd(found) !== undefined,
    message: newVeth({
      name,
      mtu,
      master,
      up: true,
      group,
      ...oneQueue,
      peer: { ...peer, ...oneQueue, namespaceFd: place.fd },
    }),
    adjust(found) {
      if (veth.peer.namespace === undefined) {
        adjust(transaction, host, found, { mtu, master, group }, key)
        return true
      }
      const other = otherEnd(found)
      if (other === undefined) return false
      adjust(transaction, host, found, { mtu, master, group }, key)
      adjust(transaction, place, other, { mtu, mac: peer.mac }, key)
      return true
    },
    refused({ errno }) {
      if (errno !== 'EINVAL' || findLink(host, veth.bridge)?.index === master) return
      // Somebody has deleted it since it was looked for.
      throw new KernelError('RTM_NEWLINK', 'ENODEV', { target: `link ${veth.bridge}` })
    },
    release(made) {
      if (made.peer === undefined || place.findIndex(peer.name) !== made.peer) return
      const steps = freeName(place, made.peer, peer.name, key)
      place.socket.requestAll(steps.map(({ message }) => message))
    },
  }
}

function findAdopted({ host }: Transaction, bridge: BridgeResource): void {
  const link = findLink(host, bridge.name)
  if (link?.kind === 'bridge') return
  if (link !== undefined) throw foreign(bridge.name, link)
  throw new KernelError('RTM_GETLINK', 'ENODEV', {
    target: `link ${bridge.name}`,
    message: 'there is no such bridge',
    resource: resourceKey(bridge),
  })
}

/** Makes a link of ours what it should be, where it isn't. It is up afterwards. */
function adjust(
  transaction: Transaction,
  place: Place,
  link: Link,
  wanted: Partial<Pick<Link, 'mtu' | 'mac' | 'master' | 'group' | 'maxLearned'>>,
  key: string,
): void {
  const { mtu, mac, master, group, maxLearned = link.maxLearned } = wanted
  const isBounded = link.maxLearned === undefined || maxLearned === link.maxLearned
  const change = {
    ...(mtu === undefined || mtu === link.mtu ? {} : { mtu }),
    ...(mac === undefined || mac === link.mac ? {} : { mac }),
    ...(master === undefined || master === link.master ? {} : { master }),
    ...(group === undefined || group === link.group ? {} : { group }),
    ...(isBounded ? {} : { maxLearned }),
    ...(link.up ? {} : { up: true }),
  }
  if (Object.keys(change).length === 0) return
  const back = {
    ...('mtu' in change ? { mtu: link.mtu } : {}),
    ...('mac' in change && link.mac !== undefined ? { mac: link.mac } : {}),
    ...('master' in change ? { master: link.master ?? 0 } : {}),
    ...('group' in change ? { group: link.group } : {}),
    ...('maxLearned' in change ? { maxLearned: link.maxLearned } : {}),
    ...('up' in change ? { up: false } : {}),
  }
  transaction.send(place.socket, [
    {
      key,
      message: setLink(link.index, change),
      undo: () => {
        place.socket.request(setLink(link.index, back))
        // A port's own settings don't survive a change of the bridge.
        if (link.master !== undefined && 'master' in change) {
          place.socket.request(setLink(link.index, portSettingsOf(link)))
        }
      },
    },
  ])
}

function taken({ peer: { name, namespace } }: VethResource): CnmError {
  const where = namespace === undefined ? 'the host' : `the sandbox at ${namespace.path}`
  return new CnmError('LINK_EXISTS', `${where} has a link ${name} already`, {
    details: { link: name, ...(namespace ? { path: namespace.path } : {}) },
    hint: 'use another name for it',
  })
}

function foreign(name: string, link: Link): CnmError {
  return new CnmError('LINK_EXISTS', `there is a link ${name} already, and it isn't ours`, {
    details: { link: name, type: link.kind ?? 'device' },
    hint: `delete or rename it (\`ip link set ${name} name …\`), or use another name`,
  })
}
