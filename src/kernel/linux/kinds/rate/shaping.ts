import { LINK_GROUP } from '../../../link-groups.ts'
import type { RateResource } from '../../../resource.ts'
import type { Place } from '../../namespaces/place.ts'
import { TC_MARK } from '../../ours.ts'
import { listFilters } from '../../rtnetlink/filter.ts'
import type { Link } from '../../rtnetlink/link.ts'
import { type RootQdisc, rootQdisc, type Tbf } from '../../rtnetlink/qdisc.ts'

// Timers of a busy machine are late by some milliseconds: what they miss, the burst makes up for. From
// 53 Mbit/s on it holds a whole 64 KiB packet of a veth as well; smaller ones make the kernel cut those
// up, which is worth it: at 1 Mbit/s one alone would be half a second of everything.
const BURST_S = 0.01
const LEAST_BURST_FRAMES = 2

// With less, TCP in both directions at once doesn't reach the rate; with more, all that is new waits
// longer behind what is there. At low rates a few packets, or TCP has to wait for its timeouts.
const QUEUE_S = 0.075
const LEAST_QUEUE_FRAMES = 8
const MOST_QUEUE = 16 << 20

/** Ethernet's header, and a VLAN's. */
const FRAME_HEADER = 18

/** The token bucket for a rate in bits per second, on a link of that MTU. */
export function tbfFor(bitsPerSecond: number, mtu: number): Tbf {
  const bytesPerSecond = Math.floor(bitsPerSecond / 8)
  const frame = mtu + FRAME_HEADER
  const burst = Math.max(Math.round(bytesPerSecond * BURST_S), LEAST_BURST_FRAMES * frame)
  const queue = Math.max(Math.round(bytesPerSecond * QUEUE_S), LEAST_QUEUE_FRAMES * frame)
  return { rate: bytesPerSecond * 8, burst, limit: burst + Math.min(queue, MOST_QUEUE) }
}

/** The same but for the burst, which the kernel only tells in its own rounded words. */
export function isSameTbf(a: Tbf, b: Tbf): boolean {
  return a.rate === b.rate && a.limit === b.limit
}

/** The name of the link on which is shaped what comes in on that one. */
export function ifbName(link: string): string {
  return `ifb${link.replace(/^veth/, '').slice(-12)}`
}

/** Which of these links that one belongs to; if there is none such, its name by all appearances. */
export function shapedLink(ifb: string, links: readonly Link[]): string {
  return links.find(({ name }) => ifbName(name) === ifb)?.name ?? ifb.replace(/^ifb/, 'veth')
}

export function isOurs({ major }: RootQdisc): boolean {
  return major === TC_MARK
}

/** The index of the link that our filter on that one redirects to; undefined: there is no such filter. */
export function redirectOf({ socket }: Place, link: number): number | undefined {
  return listFilters(socket, link, 'ingress').find(
    ({ priority, redirect }) => priority === TC_MARK && redirect !== undefined,
  )?.redirect
}

/** How the machine differs from a rate; nothing at all of it: `missing`. */
export function compareRate(
  place: Place,
  links: ReadonlyMap<string, Link>,
  rate: RateResource,
): { readonly state: 'missing' | 'different'; readonly detail: string } | undefined {
  const link = links.get(rate.link)
  if (link === undefined) return { state: 'missing', detail: `no link ${rate.link}` }
  const ifb = links.get(ifbName(rate.link))
  const redirect = redirectOf(place, link.index)
  const roots = {
    to: rootQdisc(place.socket, link.index),
    from: ifb && rootQdisc(place.socket, ifb.index),
  }
  const details = [
    tbfDetail(link, roots.to, rate.toSandbox),
    ...(rate.fromSandbox === undefined
      ? [
          redirect !== undefined && `${link.name} has an ingress filter, and should have none`,
          ifb?.group === LINK_GROUP && `there is a link ${ifb.name}, and should be none`,
        ]
      : ifbDetails(link, ifb, redirect, roots.from, rate.fromSandbox)),
  ].filter((detail) => typeof detail === 'string')
  if (details.length === 0) return undefined
  const isThere = isOurs(roots.to) || redirect !== undefined || ifb !== undefined
  return { state: isThere ? 'different' : 'missing', detail: details.join('; ') }
}

function ifbDetails(
  link: Link,
  ifb: Link | undefined,
  redirect: number | undefined,
  root: RootQdisc | undefined,
  wanted: number,
): (string | false)[] {
  const name = ifbName(link.name)
  if (ifb === undefined || root === undefined) return [`no link ${name}`]
  if (ifb.kind !== 'ifb') return [`${name} is a ${ifb.kind ?? 'device'}, not an ifb`]
  return [
    ifb.group !== LINK_GROUP && `${name} isn't ours`,
    !ifb.up && `${name} is down`,
    redirect !== ifb.index && `what comes in on ${link.name} isn't redirected to ${name}`,
    // Its own MTU says nothing about what is redirected to it.
    tbfDetail({ name, mtu: link.mtu }, root, wanted),
  ]
}

function tbfDetail(
  { name, mtu }: Pick<Link, 'name' | 'mtu'>,
  root: RootQdisc,
  wanted: number | undefined,
): string | false {
  const tbf = isOurs(root) ? root.tbf : undefined
  if (wanted === undefined) {
    return tbf !== undefined && `${name} has a tbf of rate ${tbf.rate}bit, and should have none`
  }
  if (tbf === undefined) return `${name} has ${root.kind} and not our tbf`
  const should = tbfFor(wanted, mtu)
  if (tbf.rate !== should.rate) {
    return `${name} has a tbf of rate ${tbf.rate}bit, not ${should.rate}bit`
  }
  return (
    tbf.limit !== should.limit && `${name} has a tbf of limit ${tbf.limit}, not ${should.limit}`
  )
}
