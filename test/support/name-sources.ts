import { parseAddress, parsePrefix } from '../../src/address/address.ts'
import { type Protocol, parsePorts } from '../../src/address/port.ts'
import { answer, FORWARD } from '../../src/dns/answer/answer.ts'
import type { View } from '../../src/dns/view/names.ts'
import type {
  NamesResource,
  ResolverResource,
  Upstream,
  ZoneResource,
} from '../../src/kernel/kept-resource.ts'
import { type Asked, decodeMessage, encodeQuery, type Told } from './dns-message.ts'

/** Describes what names come from in few words, and asks as a client does. */
export interface Endpoint {
  readonly sandbox?: string
  /** Its id is `id of NAME`, or what is given. */
  readonly network?: string
  readonly networkId?: string
  readonly names?: readonly string[]
  readonly addresses?: readonly string[]
  readonly subnets?: readonly string[]
  /** `80/tcp`, `8000-8010/udp` */
  readonly services?: readonly string[]
  readonly own?: Readonly<Record<string, readonly string[]>>
  readonly outside?: boolean
  readonly gateway?: boolean
  readonly servers?: readonly string[]
}

export function endpoint(id: string, given: Endpoint = {}): NamesResource {
  const { sandbox = `s-${id}`, network = 'dev', networkId = `id of ${network}` } = given
  const own = Object.entries(given.own ?? {})
  return {
    kind: 'names',
    endpoint: id,
    sandbox,
    network: { id: networkId, name: network },
    names: given.names ?? [id],
    addresses: (given.addresses ?? []).map(parseAddress),
    subnets: (given.subnets ?? []).map(parsePrefix),
    services: (given.services ?? []).map((text) => {
      const [ports, protocol] = text.split('/') as [string, Protocol]
      return { protocol, ports: parsePorts(ports) }
    }),
    own: Object.fromEntries(own.map(([name, addresses]) => [name, addresses.map(parseAddress)])),
    outside: given.outside ?? false,
    gateway: given.gateway ?? false,
    ...(given.servers === undefined ? {} : { servers: given.servers.map(server) }),
  }
}

export function resolver(
  sandbox: string,
  given: { readonly servers?: readonly string[]; readonly ndots?: true } = {},
): ResolverResource {
  return {
    kind: 'resolver',
    namespace: { path: `/run/cnm/netns/${sandbox}` },
    sandbox,
    ...(given.servers === undefined ? {} : { servers: given.servers.map(server) }),
    ...(given.ndots === undefined ? {} : { ndots: true }),
  }
}

export function zone(name: string): ZoneResource {
  return { kind: 'zone', name, listen: parseAddress('127.0.0.153') }
}

export function server(address: string): Upstream {
  return { address: parseAddress(address), port: 53 }
}

export const SLOT_BYTES = 2048

/** The bytes of the answer in place of those of the query; a number if there are none. */
export function answerBytes(
  view: View,
  query: Uint8Array,
  given: { readonly transport?: 'udp' | 'tcp'; readonly room?: number } = {},
): Buffer | number {
  const { transport = 'udp' } = given
  const { room = transport === 'udp' ? SLOT_BYTES : 65535 } = given
  // Something before it, as in a row of slots.
  const start = 5
  const buffer = Buffer.alloc(start + room)
  buffer.set(query.subarray(0, room), start)
  const length = answer(view, buffer, start, Math.min(query.length, room), room, transport)
  return length > 0 ? buffer.subarray(start, start + length) : length
}

/** Throws if it isn't answered here. */
export function ask(view: View | undefined, asked: Asked, transport: 'udp' | 'tcp' = 'udp'): Told {
  const bytes = answerBytes(view!, encodeQuery(asked), { transport })
  if (typeof bytes === 'number') throw new Error(`no answer: ${bytes}`)
  return decodeMessage(bytes)
}

/** `forward`; or the code, and what is answered without owner, TTL and type, sorted. */
export function outcome(view: View | undefined, name: string, type: Asked['type'] = 'A'): string {
  const bytes = answerBytes(view!, encodeQuery({ name, ...(type === undefined ? {} : { type }) }))
  if (bytes === FORWARD) return 'forward'
  const { code, answers } = decodeMessage(bytes as Buffer)
  const data = answers.map((record) => record.split(' ').slice(3).join(' '))
  return [code, ...data.sort()].join(' ')
}
