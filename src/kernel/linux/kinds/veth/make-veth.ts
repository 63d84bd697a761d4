import { CnmError, KernelError } from '../../../../base/errors.ts'
import { LINK_GROUP } from '../../../link-groups.ts'
import { resourceKey, type VethResource } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { adjustLink, type LinkWish, makeLinks } from '../../links/make-links.ts'
import { findLink } from '../../links/own-link.ts'
import { freeName } from '../../links/retire.ts'
import type { NetnsHandle } from '../../namespaces/netns-handle.ts'
import { type Link, newVeth } from '../../rtnetlink/link.ts'

const oneQueue = { sendQueues: 1, receiveQueues: 1 }

/** Pairs are made, or found. The sandbox's end of a new one is still down. */
export function make({ transaction, plan }: ApplyContext): void {
  const veths = plan.add.of('veth')
  makeLinks(
    transaction,
    veths.map((veth) => transaction.attempt(resourceKey(veth), () => wishFor(transaction, veth))),
  )
}

function wishFor(transaction: Transaction, veth: VethResource): LinkWish {
  const { host } = transaction
  const { name, mtu, group = LINK_GROUP } = veth
  const key = resourceKey(veth)
  const netns = transaction.handles.at(veth.peer.namespace)
  const peer = { name: veth.peer.name, mtu, mac: veth.peer.mac }
  const master = host.index(veth.bridge)
  if (netns.findIndex(peer.name) !== undefined && host.findIndex(name) === undefined) {
    throw taken(veth)
  }
  const otherEnd = (found: Link) => otherEndOf(found, netns, peer.name)
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
      peer: { ...peer, ...oneQueue, namespaceFd: netns.fd },
    }),
    adjust(found) {
      if (veth.peer.namespace === undefined) {
        adjustLink(transaction, host, found, { mtu, master, group }, key)
        return true
      }
      const other = otherEnd(found)
      if (other === undefined) return false
      adjustLink(transaction, host, found, { mtu, master, group }, key)
      adjustLink(transaction, netns, other, { mtu, mac: peer.mac }, key)
      return true
    },
    refused({ errno }) {
      if (errno !== 'EINVAL' || findLink(host, veth.bridge)?.index === master) return
      // Another process has deleted it since it was looked for.
      throw new KernelError('RTM_NEWLINK', 'ENODEV', { target: `link ${veth.bridge}` })
    },
    release(made) {
      if (made.peer === undefined || netns.findIndex(peer.name) !== made.peer) return
      const steps = freeName(netns, made.peer, peer.name, key)
      netns.socket.requestAll(steps.map(({ message }) => message))
    },
  }
}

/** undefined: what has that name there is another link. */
function otherEndOf(end: Link, netns: NetnsHandle, name: string): Link | undefined {
  const other = findLink(netns, name)
  return other?.index === end.peer && other?.peer === end.index ? other : undefined
}

function taken({ peer: { name, namespace } }: VethResource): CnmError {
  const where = namespace === undefined ? 'the host' : `the sandbox at ${namespace.path}`
  return new CnmError('LINK_EXISTS', `${where} has a link ${name} already`, {
    details: { link: name, ...(namespace ? { path: namespace.path } : {}) },
    hint: 'use another name for it',
  })
}
