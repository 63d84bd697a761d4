import { LINK_GROUP } from '../../../link-groups.ts'
import type { VethResource } from '../../../resource.ts'
import type { Comparison } from '../../compare/comparison.ts'
import { differences, different, type Finding, missing } from '../../compare/finding.ts'
import { portSettings } from '../../links/port-settings.ts'
import { isOurs } from '../../ours.ts'
import type { Link } from '../../rtnetlink/link.ts'

export function compareVeth(comparison: Comparison, veth: VethResource): Finding {
  const { name, mtu, peer } = veth
  const link = comparison.host.links.get(name)
  // It goes with its other end, which is another engine's.
  if (peer.namespace === undefined) return link && compareHostEnd(comparison, veth, link)
  if (link === undefined) return missing(`no link ${name}`)
  const other = comparison.in(peer.namespace)?.links.get(peer.name)
  if (link.kind !== 'veth' || other?.index !== link.peer || other?.peer !== link.index) {
    return different(`${name} doesn't lead to ${peer.name} in ${peer.namespace.path}`)
  }
  const inside = `${peer.name} in ${peer.namespace.path}`
  return differences([
    ...endDifferences(comparison, veth, link),
    !other.up && `${inside} is down`,
    other.mtu !== mtu && `${inside} has mtu ${other.mtu}, not ${mtu}`,
    other.mac !== peer.mac &&
      `${inside} has address ${other.mac}, not ${peer.mac}: what it sends is dropped`,
    peer.ipv6
      ? comparison.ipv6Switch(peer.name, true, peer.namespace)
      : other.makesIpv6Addresses && `${inside} makes IPv6 addresses for itself`,
  ])
}

function compareHostEnd(comparison: Comparison, veth: VethResource, link: Link): Finding {
  if (link.kind !== 'veth') return different(`${veth.name} is a ${link.kind}, not a veth`)
  return differences(endDifferences(comparison, veth, link))
}

function endDifferences({ host }: Comparison, veth: VethResource, link: Link): (string | false)[] {
  const { name, bridge, mtu, group = LINK_GROUP, learning = true } = veth
  const inGroup = `${name} is in group ${link.group}, not ${group}`
  return [
    link.group !== group && (isOurs(link) ? inGroup : `${name} isn't ours`),
    !link.up && `${name} is down`,
    link.master !== host.links.get(bridge)?.index && `${name} isn't on ${bridge}`,
    !link.hairpin && `${name} has hairpin off`,
    handsOver(link) && `${name} hands the host what comes for 01:80:c2:00:00:00 to 0f`,
    link.learning !== undefined &&
      link.learning !== learning &&
      `${name} has learning ${link.learning ? 'on' : 'off'}`,
    link.mtu !== mtu && `${name} has mtu ${link.mtu}, not ${mtu}`,
  ]
}

/** On a kernel that can do otherwise. */
function handsOver({ groupForwarding }: Link): boolean {
  return groupForwarding !== undefined && groupForwarding !== portSettings.groupForwarding
}
