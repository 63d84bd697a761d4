import type { EndpointInfo, NetworkInfo, PublishedBinding } from '../../api/shapes.ts'
import type { Traffic } from './traffic.ts'

/** How things are written for people. */

/** `1 sandbox`, `2 sandboxes` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

export function subnetsOf({ ipv4, ipv6 }: NetworkInfo): string {
  return [ipv4, ipv6].flatMap((pool) => (pool ? [pool.subnet] : [])).join(', ')
}

export function addressesOf({ ipv4, ipv6 }: EndpointInfo): string {
  return [ipv4, ipv6].filter((address) => address !== undefined).join(', ')
}

/** `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp` */
export function portsOf({ ports }: Pick<EndpointInfo, 'ports'>): string {
  return ports.map(bindingText).join(', ')
}

export function bindingText(binding: PublishedBinding): string {
  const { family, hostAddress, hostPorts, ports, protocol, state } = binding
  const address = family === 6 ? `[${hostAddress}]` : hostAddress
  const inside = `${range(ports)}/${protocol}`
  const text = hostPorts === undefined ? inside : `${address}:${range(hostPorts)}->${inside}`
  return state === 'pending' ? `${text} (pending)` : text
}

/** `100mbit in, 1.5gbit out` */
export function rateOf({ rate }: Pick<EndpointInfo, 'rate'>): string {
  if (rate === undefined) return ''
  const { toSandbox, fromSandbox } = rate
  return [
    ...(toSandbox === undefined ? [] : [`${bits(toSandbox)} in`]),
    ...(fromSandbox === undefined ? [] : [`${bits(fromSandbox)} out`]),
  ].join(', ')
}

/** `now 1.5mbit in, 120kbit out`; nothing where nothing was measured. */
export function trafficText(traffic: Traffic[string] | undefined): string {
  if (traffic === undefined) return ''
  return `now ${bits(traffic.in)} in, ${bits(traffic.out)} out`
}

function bits(rate: number): string {
  const units = [
    [1e9, 'gbit'],
    [1e6, 'mbit'],
    [1e3, 'kbit'],
  ] as const
  const [size, unit] = units.find(([size]) => rate >= size) ?? [1, 'bit']
  return `${Number((rate / size).toFixed(size === 1 ? 0 : 2))}${unit}`
}

function range({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`
}
