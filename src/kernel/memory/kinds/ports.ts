import { bracketed, socketText } from '../../../address/address.ts'
import { portsText } from '../../../address/port.ts'
import type { RelayResource } from '../../kept-resource.ts'
import { portInUse } from '../../port-conflict.ts'
import { type FlowsResource, type ReservationResource, resourceKey } from '../../resource.ts'
import { noted, putNoted } from './noted.ts'
import type { Verbs } from './verbs.ts'

export const reservations: Verbs<ReservationResource> = {
  ...noted<ReservationResource>(
    ({ protocol, address, ports }) => `# reserved: ${protocol} ${address} ${portsText(ports)}`,
  ),

  put(machine, resource) {
    const [holder] = machine.holdersOf(resource)
    if (holder !== undefined) throw portInUse(resource, holder, resourceKey(resource))
    putNoted(machine, resource)
  },
}

export const flows: Verbs<FlowsResource> = {
  ...noted<FlowsResource>(
    ({ protocol, address, ports }) => `# forwarded: ${protocol} ${address} ${portsText(ports)}`,
  ),

  put(machine, resource) {
    const { family, table, set, ranges } = resource.quiet
    const sets = machine.tables.get(`${family} ${table}`)?.definition.sets ?? []
    for (const name of [set, ranges]) {
      if (sets.some((one) => one.name === name)) continue
      const target = `${family} ${table} ${name}`
      throw machine.refusal('NFT_MSG_GETSETELEM', 'ENOENT', 'there is no such set', target)
    }
    putNoted(machine, resource)
  },
}

export const relays: Verbs<RelayResource> = {
  ...noted<RelayResource>(relayLine),

  put(machine, resource) {
    const { protocol, listen } = resource
    const ports = { from: listen.port, to: listen.port }
    const wanted = { protocol, address: listen.address, ports }
    const [holder] = machine.holdersOf(wanted)
    if (holder !== undefined) throw portInUse(wanted, holder, resourceKey(resource))
    putNoted(machine, resource)
  },
}

function relayLine({ protocol, listen, to }: RelayResource): string {
  const kind = protocol.toUpperCase()
  const from = `${kind}-LISTEN:${listen.port},bind=${bracketed(listen.address)},fork`
  return `socat ${from} ${kind}:${socketText(to)}`
}
