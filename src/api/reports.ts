import { Type } from '../base/schema.ts'

export type {
  CnmEvent,
  DnsQuery,
  Finding,
  PluginInfo,
  Statistics,
  StatusInfo,
  Traffic,
} from './told.ts'

/** What the engine tells about itself and the machine. */

export const EventShape = Type.Object({
  sequence: Type.Integer(),
  time: Type.String(),
  type: Type.Union([Type.Literal('network'), Type.Literal('endpoint'), Type.Literal('sandbox')]),
  action: Type.String(),
  id: Type.String(),
  name: Type.String(),
  attributes: Type.Record(Type.String(), Type.String()),
})

export const QueryShape = Type.Object({
  time: Type.String(),
  sandbox: Type.String(),
  sandboxName: Type.String(),
  name: Type.String(),
  type: Type.String(),
  source: Type.String(),
  code: Type.String(),
  durationMs: Type.Number(),
  transport: Type.Union([Type.Literal('udp'), Type.Literal('tcp')]),
  skipped: Type.Integer(),
})

/** A plugin that was found, or that networks need. */
export const PluginShape = Type.Object({
  name: Type.String(),
  source: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
  state: Type.Union([Type.Literal('ready'), Type.Literal('unavailable')]),
  implements: Type.Array(Type.String()),
  problem: Type.Optional(Type.String()),
  /** Names of the networks whose driver or IPAM it is. */
  networks: Type.Array(Type.String()),
  /** How many endpoints wait for it to be made whole. */
  degraded: Type.Integer(),
})

export const FindingShape = Type.Object({
  kind: Type.String(),
  detail: Type.String(),
  mended: Type.Boolean(),
  remedy: Type.Optional(Type.String()),
})

export const StatusShape = Type.Object({
  version: Type.String(),
  pid: Type.Integer(),
  /** Another one after each start: sequence numbers of events begin anew. */
  instance: Type.String(),
  started: Type.String(),
  stateDir: Type.String(),
  runDir: Type.String(),
  networks: Type.Integer(),
  endpoints: Type.Integer(),
  sandboxes: Type.Integer(),
  /** Of the last event. */
  sequence: Type.Integer(),
})

const Counters = Type.Object({
  bytes: Type.Integer(),
  packets: Type.Integer(),
  dropped: Type.Integer(),
  errors: Type.Integer(),
})

const traffic = { received: Counters, sent: Counters }
const TrafficShape = Type.Object(traffic)

export const StatisticsShape = Type.Object({
  networks: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      endpoints: TrafficShape,
      bridge: Type.Optional(TrafficShape),
    }),
  ),
  endpoints: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      network: Type.String(),
      networkName: Type.String(),
      sandbox: Type.String(),
      sandboxName: Type.String(),
      ...traffic,
    }),
  ),
})

export const ExecBody = Type.Object(
  {
    argv: Type.Array(Type.String(), { minItems: 1 }),
    input: Type.Optional(Type.String()),
    cwd: Type.Optional(Type.String()),
    env: Type.Optional(Type.Record(Type.String(), Type.String())),
    mountEtc: Type.Optional(Type.Boolean()),
    maxOutputBytes: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
)

export const ExecShape = Type.Object({
  code: Type.Union([Type.Integer(), Type.Null()]),
  signal: Type.Union([Type.String(), Type.Null()]),
  stdout: Type.String(),
  stderr: Type.String(),
})
