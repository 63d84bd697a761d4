import type { Protocol } from '../../address/port.ts'
import { afterLabel, labelAt } from '../message/name.ts'
import type { Known, Member } from './known-name.ts'

/** As IANA knows them. */
const WELL_KNOWN: ReadonlyMap<string, number> = new Map([
  ['amqp', 5672],
  ['amqps', 5671],
  ['coap', 5683],
  ['domain', 53],
  ['etcd-client', 2379],
  ['etcd-server', 2380],
  ['ftp', 21],
  ['git', 9418],
  ['http', 80],
  ['http-alt', 8080],
  ['https', 443],
  ['imap', 143],
  ['imaps', 993],
  ['kerberos', 88],
  ['ldap', 389],
  ['ldaps', 636],
  ['memcache', 11211],
  ['mongodb', 27017],
  ['mqtt', 1883],
  ['ms-sql-s', 1433],
  ['mysql', 3306],
  ['nfs', 2049],
  ['ntp', 123],
  ['pop3', 110],
  ['pop3s', 995],
  ['postgresql', 5432],
  ['redis', 6379],
  ['rsync', 873],
  ['rtsp', 554],
  ['secure-mqtt', 8883],
  ['sip', 5060],
  ['sips', 5061],
  ['smtp', 25],
  ['snmp', 161],
  ['ssh', 22],
  ['stun', 3478],
  ['submission', 587],
  ['submissions', 465],
  ['syslog', 514],
  ['telnet', 23],
  ['tftp', 69],
  ['xmpp-client', 5222],
  ['xmpp-server', 5269],
])

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['_tcp', 'tcp'],
  ['_udp', 'udp'],
  ['_sctp', 'sctp'],
])

/** `_http._tcp.web`, `_80._tcp.web`; and `_tcp.web`, which is only there for what is below it. */
interface ServiceName {
  /** What follows: `web` */
  readonly host: string
  readonly protocol: Protocol
  /** Undefined: any. */
  readonly port: number | undefined
  /** It is a number, and not a name. A range of ports has no names. */
  readonly numeric: boolean
}

/** Undefined for names that can't be one. */
export function readServiceName(key: string): ServiceName | undefined {
  const first = labelAt(key, 0)
  if (!first.startsWith('_')) return undefined
  const second = afterLabel(key, 0)
  const only = PROTOCOLS.get(first)
  if (only !== undefined) {
    return { host: key.slice(second), protocol: only, port: undefined, numeric: true }
  }
  const protocol = PROTOCOLS.get(labelAt(key, second))
  if (protocol === undefined) return undefined
  const text = first.slice(1)
  const numeric = /^[1-9][0-9]{0,4}$/.test(text)
  const port = numeric ? Number(text) : (WELL_KNOWN.get(text) ?? 0)
  return { host: key.slice(afterLabel(key, second)), protocol, port, numeric }
}

/** The endpoints of that name with such a service. */
export function providers({ members }: Known, service: ServiceName): readonly Member[] {
  const { protocol, port, numeric } = service
  return members.filter(({ resource }) =>
    resource.services.some(({ protocol: own, ports }) => {
      if (own !== protocol) return false
      if (port === undefined) return true
      return numeric
        ? ports.from <= port && port <= ports.to
        : ports.from === port && ports.to === port
    }),
  )
}
