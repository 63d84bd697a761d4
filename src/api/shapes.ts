import { Type } from '../base/schema.ts'

export type { EndpointInfo, NetworkInfo, PublishedBinding, SandboxInfo } from './infos.ts'

/**
 * What networks, endpoints and sandboxes look like to a caller: in the library's `inspect`, on the wire, and
 * (with what only the engine needs) in its records. Answers may have more fields in a later version.
 */

const Texts = Type.Array(Type.String())
const Labelled = Type.Record(Type.String(), Type.String())
const Values = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
)
const Family = Type.Union([Type.Literal(4), Type.Literal(6)])

export const StateShape = Type.Union([
  Type.Literal('creating'),
  Type.Literal('ready'),
  Type.Literal('deleting'),
])

const Pool = Type.Object({
  id: Type.Optional(Type.String()),
  subnet: Type.String(),
  range: Type.Optional(Type.String()),
  gateway: Type.Optional(Type.String()),
  auxAddresses: Type.Optional(Labelled),
})

const Servers = Type.Array(Type.Object({ address: Type.String(), port: Type.Integer() }))

export const NetworkShape = Type.Object({
  id: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  name: Type.String(),
  driver: Type.String(),
  ipam: Type.String(),
  created: Type.String(),
  internal: Type.Boolean(),
  ephemeral: Type.Boolean(),
  labels: Labelled,
  options: Values,
  ipv4: Type.Optional(Pool),
  ipv6: Type.Optional(Pool),
  runtime: Type.Optional(Type.String()),
  number: Type.Optional(Type.Integer({ minimum: 1, maximum: 0xfeff })),
  dnsServers: Type.Optional(Servers),
  warnings: Type.Optional(Type.Array(Type.String())),
})

const Ports = Type.Object({ from: Type.Integer(), to: Type.Integer() })
const Transport = Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('sctp')])
export const exposedFields = { protocol: Transport, ports: Ports }
export const bindingFields = {
  ...exposedFields,
  family: Family,
  hostAddress: Type.String(),
  hostPorts: Type.Optional(Ports),
}

/** Of an endpoint, for every caller. */
export const endpointFields = {
  id: Type.String(),
  name: Type.String(),
  network: Type.String(),
  state: StateShape,
  created: Type.String(),
  labels: Labelled,
  aliases: Texts,
  gwPriority: Type.Integer(),
  attached: Type.Boolean(),
  persistent: Type.Boolean(),
  ipv4: Type.Optional(Type.String()),
  ipv6: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
  interfaceName: Type.Optional(Type.String()),
  publish: Type.Optional(
    Type.Array(
      Type.Object({
        ...exposedFields,
        hostAddress: Type.Optional(Type.String()),
        hostPorts: Type.Optional(Ports),
      }),
    ),
  ),
  links: Type.Optional(Texts),
  linkNames: Type.Optional(Type.Record(Type.String(), Texts)),
  dnsServers: Type.Optional(Servers),
  linkLocal: Type.Optional(Texts),
  addresses: Type.Optional(Type.Union([Texts, Type.Literal('any')])),
  macs: Type.Optional(Type.Union([Texts, Type.Literal('any')])),
  rate: Type.Optional(
    Type.Object({
      toSandbox: Type.Optional(Type.Number()),
      fromSandbox: Type.Optional(Type.Number()),
    }),
  ),
  sysctls: Type.Optional(Labelled),
  moved: Type.Optional(Type.Boolean()),
  runtime: Type.Optional(Type.String()),
  joined: Type.Optional(
    Type.Object({ sandbox: Type.String(), link: Type.Optional(Type.String()) }),
  ),
}

export const BindingShape = Type.Object({
  ...bindingFields,
  state: Type.Union([Type.Literal('active'), Type.Literal('pending')]),
})

export const EndpointShape = Type.Object({
  ...endpointFields,
  dns: Type.Optional(Type.Union([Type.Literal('ready'), Type.Literal('degraded')])),
  plugin: Type.Optional(Type.Union([Type.Literal('ready'), Type.Literal('degraded')])),
  ports: Type.Array(BindingShape),
  exposed: Type.Array(Type.Object(exposedFields)),
})

/** Of a sandbox, for every caller. */
export const sandboxFields = {
  id: Type.String(),
  name: Type.String(),
  state: StateShape,
  created: Type.String(),
  labels: Labelled,
  namespace: Type.Optional(
    Type.Object({ path: Type.String(), cookie: Type.Optional(Type.String()) }),
  ),
  origin: Type.Union([
    Type.Literal('own'),
    Type.Literal('adopted'),
    Type.Literal('host'),
    Type.Literal('elsewhere'),
  ]),
  runtime: Type.Optional(Type.String()),
  links: Texts,
  gateways: Type.Array(Family),
  ephemeral: Type.Boolean(),
  program: Type.Optional(Type.Integer()),
  creator: Type.Optional(Type.Literal(true)),
  hostname: Type.Optional(Type.String()),
  domainname: Type.Optional(Type.String()),
  dnsServers: Type.Optional(Servers),
  dnsSearch: Type.Optional(Texts),
  dnsOptions: Type.Optional(Texts),
  extraHosts: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), address: Type.String() })),
  ),
  resolver: Type.Optional(Type.Literal(false)),
}

const Counters = Type.Object({
  asked: Type.Integer(),
  answered: Type.Record(Type.String(), Type.Integer()),
  latency: Type.Object({
    limitsMs: Type.Array(Type.Number()),
    counts: Type.Array(Type.Integer()),
  }),
})

export const SandboxShape = Type.Object({
  ...sandboxFields,
  files: Type.Optional(
    Type.Object({
      hosts: Type.String(),
      hostname: Type.String(),
      resolvConf: Type.Optional(Type.String()),
    }),
  ),
  names: Type.Optional(Type.Object({ counters: Type.Optional(Counters) })),
})
