import { CnmError, KernelError } from '../../../base/errors.ts'
import { type LentLinkResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import type { Comparison } from '../compare/comparison.ts'
import { differences, type Finding, missing } from '../compare/finding.ts'
import { findLink } from '../links/own-link.ts'
import { remember } from '../links/remember.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { isAlive, isOurs } from '../ours.ts'
import { listAddresses } from '../rtnetlink/address.ts'
import { getLink, type Link, moveLink, setLink } from '../rtnetlink/link.ts'
import { RT_SCOPE_LINK } from '../rtnetlink/route.ts'
import type { Kind } from './kind.ts'

export const lentLink: Kind<'lent-link'> = {
  apply: { borrow: borrowAll, 'bring up': bringUp, 'give back': giveBackAll },
  compare,
  isMadeAnew: (from, to) => from.namespace.path !== to.namespace.path || from.inside !== to.inside,
  links: ({ namespace, inside }) => [{ namespace, name: inside }],
}

/** They are moved in, or found there, and still down. */
function borrowAll({ transaction, plan }: ApplyContext): void {
  for (const lent of plan.add.of('lent-link')) {
    transaction.attempt(resourceKey(lent), () => borrow(transaction, lent))
  }
}

function borrow(transaction: Transaction, lent: LentLinkResource): void {
  const { host } = transaction
  const netns = transaction.handles.at(lent.namespace)
  const onHost = findLink(host, lent.name)
  const inside = findLink(netns, lent.inside)
  if (inside === undefined) moveIn(transaction, netns, lent, checked(host, lent, onHost))
  // It is there already, unless it is here.
  else if (onHost !== undefined) throw taken(lent)
  settle(transaction, netns, lent)
}

function checked(host: NetnsHandle, lent: LentLinkResource, link: Link | undefined): Link {
  if (link === undefined) {
    throw new KernelError('RTM_GETLINK', 'ENODEV', {
      target: `link ${lent.name}`,
      message: 'there is no such link',
    })
  }
  const message = useOf(host, link)
  if (message === undefined) return link
  throw new KernelError('RTM_SETLINK', 'EBUSY', { target: `link ${lent.name}`, message })
}

/** What would be taken away with it: the host's own way out is not to be lent. */
function useOf({ socket }: NetnsHandle, link: Link): string | undefined {
  const { index, master } = link
  if (isOurs(link) || !isAlive(link)) return 'it is a network’s own'
  if (master !== undefined) return 'it is part of another link'
  const addresses = listAddresses(socket, { link: index })
  const ofHost = addresses.find(({ scope }) => scope !== RT_SCOPE_LINK)
  return ofHost && `the host has address ${ofHost.address} there`
}

function moveIn(
  transaction: Transaction,
  netns: NetnsHandle,
  lent: LentLinkResource,
  link: Link,
): void {
  const { host } = transaction
  const back = remember(host, link.index)
  transaction.send(host.socket, [
    {
      key: resourceKey(lent),
      message: moveLink(link.index, netns.fd, lent.inside),
      undo: () => {
        netns.socket.request(moveLink(netns.index(lent.inside), host.fd, lent.name))
        if (!link.up) return
        host.socket.request(setLink(lent.name, { up: true }))
        back()
      },
    },
  ])
}

function settle(transaction: Transaction, netns: NetnsHandle, lent: LentLinkResource): void {
  const { index, mac } = getLink(netns.socket, lent.inside)
  const key = resourceKey(lent)
  const steps: Step[] = []
  if (lent.mac !== undefined && lent.mac !== mac) {
    steps.push({
      key,
      message: setLink(index, { mac: lent.mac }),
      undo: () => {
        if (mac !== undefined) netns.socket.request(setLink(netns.index(lent.inside), { mac }))
      },
    })
  }
  if (!lent.ipv6) {
    steps.push({
      key,
      message: setLink(index, { ipv6AddressGeneration: 'none' }),
      // A kernel without IPv6 has nothing to be switched off.
      refused: ({ errno }) => errno === 'EAFNOSUPPORT',
    })
  }
  transaction.send(netns.socket, steps)
}

function bringUp({ transaction, plan, steps }: ApplyContext): void {
  for (const lent of plan.add.of('lent-link')) {
    const key = resourceKey(lent)
    const there = steps.at(lent.namespace, key)
    const index = transaction.attempt(key, () => there.index(lent.inside))
    there.push({ key, message: setLink(index, { up: true }) })
  }
}

/** They are moved back, wherever they were lent to. One that is gone has no owner any more. */
function giveBackAll({ transaction, plan }: ApplyContext): void {
  const { host, handles } = transaction
  for (const lent of plan.remove.of('lent-link')) {
    const netns = handles.find(lent.namespace)
    const link = netns && findLink(netns, lent.inside)
    if (netns === undefined || link === undefined) continue
    transaction.send(netns.socket, [giveBack(netns, host, lent, link, lent.name)])
  }
}

function giveBack(
  netns: NetnsHandle,
  host: NetnsHandle,
  lent: LentLinkResource,
  link: Link,
  name: string,
): Step {
  const { socket } = netns
  const restore = remember(netns, link.index)
  const back = (from: string) => {
    host.socket.request(moveLink(host.index(from), netns.fd, lent.inside))
    socket.request(setLink(lent.inside, { up: link.up }))
    restore()
  }
  return {
    key: resourceKey(lent),
    message: moveLink(link.index, host.fd, name),
    undo: () => back(name),
    refused: ({ errno }) => {
      // Another process has taken its name meanwhile; it can still be told by its address.
      if (errno === 'EEXIST') socket.requestAll([moveLink(link.index, host.fd, freeNameFor(link))])
      return errno === 'EEXIST' || errno === 'ENODEV'
    },
  }
}

/** A sandbox may have given it other names that the host has, too: then it stays there, and ends with it. */
function freeNameFor({ index }: Link): string {
  return `lent${index}`
}

function taken({ name, inside, namespace }: LentLinkResource): CnmError {
  return new CnmError(
    'LINK_EXISTS',
    `the sandbox at ${namespace.path} has a link ${inside} already, which is not ${name}`,
    { details: { link: inside, path: namespace.path }, hint: 'use another name for it' },
  )
}

function compare(comparison: Comparison, lent: LentLinkResource): Finding {
  const { name, namespace, inside, mac } = lent
  const link = comparison.in(namespace)?.links.get(inside)
  const what = `${inside} in ${namespace.path}`
  if (link === undefined) return missing(`no link ${what}, which was ${name} on the host`)
  return differences([
    !link.up && `${what} is down`,
    mac !== undefined && link.mac !== mac && `${what} has address ${link.mac}, not ${mac}`,
  ])
}
