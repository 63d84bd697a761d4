import { familyOf } from '../address/address.ts'
import { portsText } from '../address/port.ts'
import { CnmError } from '../base/errors.ts'
import type { PortHolder } from './kernel.ts'
import type { ReservationResource } from './resource.ts'

export type WantedPorts = Omit<ReservationResource, 'kind'>

/** Whether a socket bound there would have got what is meant for these ports. */
export function holdsOneOf(
  { protocol, ports, address }: WantedPorts,
  holder: PortHolder,
  options: { readonly ipv6Only?: boolean } = {},
): boolean {
  if (holder.protocol !== protocol) return false
  if (holder.port < ports.from || ports.to < holder.port) return false
  const any = familyOf(address) === 4 ? '0.0.0.0' : '::'
  if (familyOf(holder.address) !== familyOf(address)) {
    return holder.address === '::' && !options.ipv6Only
  }
  return [address, any].includes(holder.address) || address === any
}

/** `nginx (pid 7)` */
export function holderText({ pid, process: name = 'a process' }: PortHolder): string {
  return pid === undefined ? name : `${name} (pid ${pid})`
}

/** `resource` is the key of what wants the ports. */
export function portInUse(wanted: WantedPorts, holder: PortHolder, resource: string): CnmError {
  const { protocol, port } = holder
  return new CnmError('PORT_IN_USE', `port ${port}/${protocol} is held by ${holderText(holder)}`, {
    details: { ...holder, wanted: `${wanted.address} ${portsText(wanted.ports)}`, resource },
    hint: 'choose another host port, or end that process',
  })
}
