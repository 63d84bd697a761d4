import { KernelError } from '../../../../base/errors.ts'
import { type RateResource, resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Step, Transaction } from '../../apply/transaction.ts'
import { ifbName, makeIfbs, retireIfb, shapedLink } from '../../links/ifb.ts'
import { ownLink } from '../../links/own-link.ts'
import type { NetnsHandle } from '../../namespaces/netns-handle.ts'
import { TC_MARK } from '../../ours.ts'
import { deleteRedirect, listFilters, newRedirect } from '../../rtnetlink/filter.ts'
import { type Link, setLink } from '../../rtnetlink/link.ts'
import {
  changeTbf,
  deleteClsact,
  deleteRootQdisc,
  newClsact,
  newTbf,
  replaceTbfQueue,
  rootQdisc,
  type Tbf,
} from '../../rtnetlink/qdisc.ts'
import type { Kind } from '../kind.ts'
import { compareRate } from './compare-rate.ts'
import { isOurs, isSameTbf, redirectOf, tbfFor } from './shaping.ts'

/**
 * The largest packet there can be (of 512 KiB, where BIG TCP is switched on), together with
 * the headers of all that it will be cut up into.
 */
const LARGEST_PACKET = 600_000

/**
 * What goes out of a host end is shaped there. What comes in can't be: it is redirected to a link of its
 * own, shaped as that one's going out, and comes in then. What goes with its veth has gone before.
 */
export const rate: Kind<'rate'> = {
  apply: { limit: changeAll },
  compare: (comparison, resource) =>
    compareRate(comparison.host.netns, comparison.host.links, resource),
  survey: ({ links }) => ({
    links: links.flatMap(({ kind: type, name }) =>
      type === 'ifb' ? [{ name, type, shapes: shapedLink(name, links) }] : [],
    ),
  }),
}

function changeAll({ transaction, plan, steps }: ApplyContext): void {
  const rates = plan.add.of('rate')
  const shapedInside = rates.filter(({ fromSandbox }) => fromSandbox !== undefined)
  makeIfbs(
    transaction,
    shapedInside.map((rate) => ({ name: ifbName(rate.link), key: resourceKey(rate) })),
  )
  for (const rate of plan.remove.of('rate')) steps.host.push(...unlimited(transaction, rate))
  for (const rate of rates) {
    steps.host.push(...transaction.attempt(resourceKey(rate), () => limited(transaction, rate)))
  }
}

function unlimited(transaction: Transaction, rate: RateResource): Step[] {
  const { host } = transaction
  const key = resourceKey(rate)
  const link = ownLink(host, rate.link, 'veth')
  return [
    ...(link === undefined ? [] : shape(host, link, undefined, key)),
    ...(link === undefined ? [] : redirect(host, link.index, undefined, key)),
    ...retireIfb(transaction, rate.link, key),
  ]
}

function limited(transaction: Transaction, rate: RateResource): Step[] {
  const { host } = transaction
  const { toSandbox, fromSandbox } = rate
  const key = resourceKey(rate)
  const link = ownLink(host, rate.link, 'veth')
  if (link === undefined) {
    throw new KernelError('RTM_GETLINK', 'ENODEV', {
      target: `link ${rate.link}`,
      message: 'there is no such link of ours',
    })
  }
  const tbf = (bits: number | undefined) =>
    bits === undefined ? undefined : tbfFor(bits, link.mtu)
  const steps = shape(host, link, tbf(toSandbox), key)
  const ifb = fromSandbox === undefined ? undefined : ownLink(host, ifbName(rate.link), 'ifb')
  if (ifb === undefined) {
    return [
      ...steps,
      ...redirect(host, link.index, undefined, key),
      ...retireIfb(transaction, rate.link, key),
    ]
  }
  return [
    ...steps,
    // Before anything is sent its way.
    ...(ifb.up ? [] : bringUp(host, ifb.index, key)),
    ...shape(host, ifb, tbf(fromSandbox), key),
    ...redirect(host, link.index, ifb.index, key),
  ]
}

function bringUp({ socket }: NetnsHandle, index: number, key: string): Step[] {
  return [
    {
      key,
      // It has nothing to say of its own.
      message: setLink(index, { ipv6AddressGeneration: 'none' }),
      refused: ({ errno }) => errno === 'EAFNOSUPPORT',
    },
    {
      key,
      message: setLink(index, { up: true }),
      undo: () => socket.request(setLink(index, { up: false })),
    },
  ]
}

/** Makes what goes out of a link be shaped so, or, undefined, not at all. */
function shape(
  { socket }: NetnsHandle,
  { index, name }: Link,
  wanted: Tbf | undefined,
  key: string,
): Step[] {
  const root = rootQdisc(socket, index)
  const before = isOurs(root) ? root.tbf : undefined
  if (wanted === undefined) {
    if (before === undefined) return []
    const undo = () => socket.request(newTbf(index, TC_MARK, before))
    return [{ key, message: deleteRootQdisc(index, TC_MARK), undo }]
  }
  if (before !== undefined) return reshape(socket, index, before, wanted, key)
  if (root.major !== 0) {
    throw new KernelError('RTM_NEWQDISC', 'EEXIST', {
      target: `link ${name}`,
      message: `it has a qdisc ${root.kind} already, which isn't ours`,
    })
  }
  const undo = () => socket.request(deleteRootQdisc(index, TC_MARK))
  return [{ key, message: newTbf(index, TC_MARK, wanted), undo }]
}

/** The queue stays, with what is in it, unless that may be too large to ever get out. */
function reshape(
  socket: NetnsHandle['socket'],
  index: number,
  before: Tbf,
  wanted: Tbf,
  key: string,
): Step[] {
  if (isSameTbf(before, wanted)) return []
  const undo = () => socket.request(changeTbf(index, TC_MARK, before))
  const change = { key, message: changeTbf(index, TC_MARK, wanted), undo }
  if (wanted.burst >= Math.min(before.burst, LARGEST_PACKET)) return [change]
  // In this order: what comes in between is cut up.
  return [change, { key, message: replaceTbfQueue(index, TC_MARK, wanted.limit), undo }]
}

/** Makes what comes in on a link leave by another one, or, undefined, not. */
function redirect(
  host: NetnsHandle,
  index: number,
  other: number | undefined,
  key: string,
): Step[] {
  const { socket } = host
  const before = redirectOf(host, index)
  if (before === other) return []
  const add = (to: number): Step => ({
    key,
    message: newRedirect(index, TC_MARK, to),
    undo: () => socket.request(deleteRedirect(index, TC_MARK)),
  })
  if (before === undefined) {
    const undo = () => socket.request(deleteClsact(index))
    // Others may have made one to have filters of their own.
    const refused = ({ errno }: KernelError) => errno === 'EEXIST'
    return other === undefined
      ? []
      : [{ key, message: newClsact(index), undo, refused }, add(other)]
  }
  const restore = () => socket.request(newRedirect(index, TC_MARK, before))
  if (other !== undefined || hasOthers(host, index)) {
    const removal = { key, message: deleteRedirect(index, TC_MARK), undo: restore }
    return other === undefined ? [removal] : [removal, add(other)]
  }
  const undo = () => socket.requestAll([newClsact(index), newRedirect(index, TC_MARK, before)])
  return [{ key, message: deleteClsact(index), undo }]
}

/** Whether there are filters of another owner, which would go with ours. */
function hasOthers({ socket }: NetnsHandle, link: number): boolean {
  const filters = [...listFilters(socket, link, 'ingress'), ...listFilters(socket, link, 'egress')]
  return filters.some(({ priority }) => priority !== TC_MARK)
}
