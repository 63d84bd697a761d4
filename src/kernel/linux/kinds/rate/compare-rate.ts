import { LINK_GROUP } from '../../../link-groups.ts'
import type { RateResource } from '../../../resource.ts'
import { different, type Finding, missing } from '../../compare/finding.ts'
import { ifbName } from '../../links/ifb.ts'
import type { NetnsHandle } from '../../namespaces/netns-handle.ts'
import type { Link } from '../../rtnetlink/link.ts'
import { type RootQdisc, rootQdisc } from '../../rtnetlink/qdisc.ts'
import { isOurs, redirectOf, tbfFor } from './shaping.ts'

/** How the machine differs from a rate; nothing at all of it: `missing`. */
export function compareRate(
  netns: NetnsHandle,
  links: ReadonlyMap<string, Link>,
  rate: RateResource,
): Finding {
  const link = links.get(rate.link)
  if (link === undefined) return missing(`no link ${rate.link}`)
  const ifb = links.get(ifbName(rate.link))
  const redirect = redirectOf(netns, link.index)
  const roots = {
    to: rootQdisc(netns.socket, link.index),
    from: ifb && rootQdisc(netns.socket, ifb.index),
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
  return isThere ? different(details.join('; ')) : missing(details.join('; '))
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
