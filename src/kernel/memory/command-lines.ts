import { familyOf } from '../../address/address.ts'
import type {
  AddressResource,
  BridgeResource,
  ElementResource,
  NamespaceRef,
  Resource,
  RouteResource,
  VethResource,
} from '../resource.ts'
import { tableLines } from './ruleset-lines.ts'

/** A resource as the commands that would make it. */
export function commandLines(resource: Resource): readonly string[] {
  switch (resource.kind) {
    case 'namespace':
      return [`ip netns add ${resource.namespace.path}`]
    case 'bridge':
      return [bridgeLine(resource)]
    case 'veth':
      return [vethLine(resource)]
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
  }
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

function bridgeLine({ origin, name, mtu, mac, ipv6 }: BridgeResource): string {
  if (origin === 'adopt') return `ip link show ${name} type bridge`
  const options = `${option('mtu', mtu)}${option('address', mac)}`
  return `ip link add ${name} up group cnm${options} type bridge${ipv6Note(ipv6)}`
}

function vethLine({ name, bridge, mtu, peer }: VethResource): string {
  const master = option('master', bridge === '' ? undefined : bridge)
  const inner = `${peer.name} up mtu ${mtu} address ${peer.mac} netns ${peer.namespace.path}`
  const outer = `ip link add ${name} up group cnm${master} mtu ${mtu}`
  return `${outer} type veth peer name ${inner}${ipv6Note(peer.ipv6)}`
}

function addressLine({ namespace, link, address }: AddressResource): string {
  const nodad = familyOf(address) === 6 ? ' nodad' : ''
  return `ip${place(namespace)} address add ${address} dev ${link}${nodad}`
}

function elementLine({ family, table, set, key, value, owner }: ElementResource): string {
  const to = value === undefined ? '' : ` : ${value.join(' . ')}`
  const element = `${key.join(' . ')} comment "${owner}"${to}`
  return `nft add element ${family} ${table} ${set} { ${element} }`
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
