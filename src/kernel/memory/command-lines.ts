import { bracketed, familyOf, socketText } from '../../address/address.ts'
import { portsText } from '../../address/port.ts'
import type { NamesResource, Upstream } from '../kept-resource.ts'
import { networkOf } from '../link-groups.ts'
import type {
  AddressResource,
  BridgeResource,
  ElementResource,
  NamespaceRef,
  Resource,
  RouteResource,
  VethResource,
} from '../resource.ts'
import type { Noted } from './machine.ts'
import { limitText, tableLines } from './ruleset-lines.ts'

/** A resource as the commands that would make it. */
export function commandLines(resource: Resource): readonly string[] {
  switch (resource.kind) {
    case 'namespace':
      return [`ip netns add ${resource.namespace.path}`]
    case 'bridge':
      return [bridgeLine(resource)]
    case 'veth':
      return [vethLine(resource)]
    case 'lent-link': {
      const { name, namespace, inside, mac } = resource
      return [
        `ip link set ${name} netns ${namespace.path} name ${inside}${option('address', mac)} up`,
      ]
    }
    case 'address':
      return [addressLine(resource)]
    case 'route':
      return [`${routeLine(resource)} proto cnm`]
    case 'sysctl': {
      const { namespace, name, value } = resource
      const inside = namespace === undefined ? '' : `ip netns exec ${namespace.path} `
      return [`${inside}sysctl -w ${name}=${quoteIfNeeded(value)}`]
    }
    case 'table':
      return tableLines(resource.definition)
    case 'element':
      return [elementLine(resource)]
    default:
      return [notedLine(resource)]
  }
}

function notedLine(resource: Noted): string {
  switch (resource.kind) {
    case 'reservation': {
      const { protocol, address, ports } = resource
      return `# reserved: ${protocol} ${address} ${portsText(ports)}`
    }
    case 'flows': {
      const { protocol, address, ports } = resource
      return `# forwarded: ${protocol} ${address} ${portsText(ports)}`
    }
    case 'relay': {
      const { protocol, listen, to } = resource
      const kind = protocol.toUpperCase()
      const from = `${kind}-LISTEN:${listen.port},bind=${bracketed(listen.address)},fork`
      return `socat ${from} ${kind}:${socketText(to)}`
    }
    case 'rate': {
      const { link, toSandbox, fromSandbox } = resource
      const rate = (direction: string, bits: number | undefined) =>
        bits === undefined ? '' : ` ${direction} ${bits}bit`
      return `tc qdisc replace dev ${link}${rate('root tbf rate', toSandbox)}${rate('ingress ifb tbf rate', fromSandbox)}`
    }
    case 'neighbour': {
      const { link, address, mac } = resource
      return `ip neighbour replace ${address} lladdr ${mac} dev ${link} nud permanent protocol cnm`
    }
    case 'fdb':
      return `bridge fdb replace ${resource.mac} dev ${resource.link} master static sticky`
    case 'announcement': {
      const { namespace, link, address, mac } = resource
      return `# announced in ${namespace.path}: ${address} is at ${mac} on ${link}`
    }
    case 'consent': {
      const { family, mark } = resource
      const command = family === 'ip' ? 'iptables' : 'ip6tables'
      return `${command} -A DOCKER-USER -m mark --mark ${mark}/${mark} -m comment --comment cnm -j ACCEPT`
    }
    case 'resolver': {
      const { namespace, servers } = resource
      return `# resolver in ${namespace.path}${serversNote(servers)}`
    }
    case 'names':
      return namesLine(resource)
    case 'zone':
      return `# resolver of the host at ${resource.listen} for ${resource.name}`
    case 'file':
      return `printf ${JSON.stringify(resource.content)} > ${resource.path}`
    case 'hosts-entry':
      return `echo ${resource.address} ${resource.names.join(' ')} >> ${resource.path}`
  }
}

function namesLine({ names, addresses, network, own, outside, servers }: NamesResource): string {
  const others = Object.entries(own).map(([name, at]) => `; ${name} ${at.join(' ')}`)
  const where = outside ? '' : ', nothing outside'
  const of = `${names.join(' ')} on ${network.name}`
  return `# names of ${of}: ${addresses.join(' ')}${others.join('')}${where}${serversNote(servers)}`
}

function serversNote(servers: readonly Upstream[] | undefined): string {
  if (servers === undefined) return ''
  return `, asks ${servers.map(socketText).join(' ')}`
}

/** The command without our mark, as it would be for somebody else's route. */
export function routeLine(route: Omit<RouteResource, 'kind'>): string {
  const { destination, gateway, link } = route
  const family = familyOf(destination) === 6 ? ' -6' : ''
  const isDefault = destination === '0.0.0.0/0' || destination === '::/0'
  const via = gateway === undefined ? '' : ` via ${gateway}`
  const to = isDefault ? 'default' : destination
  return `ip${family}${place(route.namespace)} route replace ${to}${via} dev ${link}`
}

function bridgeLine({ origin, name, mtu, mac, maxLearned, ipv6 }: BridgeResource): string {
  if (origin === 'adopt') return `ip link show ${name} type bridge`
  const options = `${option('mtu', mtu)}${option('address', mac)}`
  const bound = option('fdb_max_learned', maxLearned)
  return `ip link add ${name} up group cnm${options} type bridge${bound}${ipv6Note(ipv6)}`
}

function vethLine({ name, bridge, group, mtu, learning = true, peer }: VethResource): string {
  const master = option('master', bridge === '' ? undefined : bridge)
  const { namespace } = peer
  const where = namespace === undefined ? '' : ` netns ${namespace.path}`
  const state = namespace === undefined ? '' : ' up'
  const inner = `${peer.name}${state} mtu ${mtu} address ${peer.mac}${where}`
  const groupName = group === undefined ? 'cnm' : `cnm-${networkOf(group)}`
  const outer = `ip link add ${name} up group ${groupName}${master} mtu ${mtu}`
  const note = learning ? '' : ' # learning off'
  return `${outer} type veth peer name ${inner}${ipv6Note(peer.ipv6)}${note}`
}

function addressLine({ namespace, link, address }: AddressResource): string {
  const nodad = familyOf(address) === 6 ? ' nodad' : ''
  return `ip${place(namespace)} address add ${address} dev ${link}${nodad}`
}

function elementLine(resource: ElementResource): string {
  const { family, table, set, key, value, run, limit, owner } = resource
  const more = run === undefined ? '' : ` # and the next ${run - 1}`
  const to = value === undefined ? '' : ` : ${value.join(' . ')}`
  const limited = limit === undefined ? '' : ` ${limitText(limit)}`
  const element = `${key.join(' . ')}${limited} comment "${owner}"${to}`
  return `nft add element ${family} ${table} ${set} { ${element} }${more}`
}

function place(namespace: NamespaceRef | undefined): string {
  return namespace === undefined ? '' : ` -n ${namespace.path}`
}

function option(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : ` ${name} ${value}`
}

function ipv6Note(ipv6: boolean): string {
  return ipv6 ? ' # IPv6' : ''
}

function quoteIfNeeded(value: string): string {
  return /^[\w.:-]+$/.test(value) ? value : JSON.stringify(value)
}
