/*
 * What the engine tells about itself and the machine. The schemas in reports.ts say the same; shapes.test.ts sees to
 * that. Texts that are one of several may be others in a later version.
 */

type Text<Known extends string> = Known | (string & {})

/** Something that happened to a network, endpoint or sandbox; told after it is true and recorded. */
export interface CnmEvent {
  /** Counts the events of this start of the engine, from 1. */
  readonly sequence: number
  /** ISO 8601, UTC. */
  readonly time: string
  readonly type: 'network' | 'endpoint' | 'sandbox'
  readonly action: Text<
    'create' | 'delete' | 'join' | 'leave' | 'publish' | 'unpublish' | 'update' | 'limit'
  >
  readonly id: string
  readonly name: string
  /** What else it concerns: `network` and `sandbox` by name, `networkId` and `sandboxId`, `driver`, … */
  readonly attributes: Readonly<Record<string, string>>
}

/** A query of a sandbox, when it has been answered. */
export interface DnsQuery {
  /** ISO 8601, UTC. */
  readonly time: string
  /** Id of the sandbox. */
  readonly sandbox: string
  /** The short id of one that is gone by now. */
  readonly sandboxName: string
  /** `web.`, `_http._tcp.web.`: as it was asked, with a dot at its end. Empty if it can't be read. */
  readonly name: string
  /** `A`, `AAAA`, `TYPE65` */
  readonly type: string
  /** Where the answer came from. `refused`: too many queries at once, or there is no server to be asked. */
  readonly source: Text<
    'local' | 'cache' | 'upstream' | 'stale' | 'refused' | 'failed' | 'malformed'
  >
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  readonly code: string
  readonly durationMs: number
  readonly transport: 'udp' | 'tcp'
  /** So many queries before this one were not told. */
  readonly skipped: number
}

/** One way in which the machine is not as the records say, or doesn't let them come true. */
export interface Finding {
  /**
   * `lost`: something could not be recovered, at the start or now. What can't be mended any more is told until all is
   * mended once, and is done with thereby. `blocked`: others' rules stop packets of ours. `shadowed`: a process of the
   * host listens at a published port and doesn't hear what comes in there. `crowded`: a table that all share is nearly
   * full. `limited`: an endpoint, or all of a network's unknown MACs together, begin more flows than they may.
   * `overlap`: the host uses addresses of a network's subnet. `ended`: an endpoint is in a container of another engine
   * that has ended when it could not be told.
   */
  readonly kind: Text<
    | 'missing'
    | 'different'
    | 'orphan'
    | 'lost'
    | 'blocked'
    | 'shadowed'
    | 'crowded'
    | 'limited'
    | 'overlap'
    | 'ended'
  >
  /** One sentence, in the words of `ip` and `nft`. */
  readonly detail: string
  readonly mended: boolean
  /** A command that mends what we don't mend ourselves. */
  readonly remedy?: string
}

/** A network driver or IPAM that is another program, and what depends on it. */
export interface PluginInfo {
  readonly name: string
  /** The socket or file by which it was found; absent: there is none. */
  readonly source?: string
  /** `unix:///run/docker/plugins/weave.sock`, `https://10.0.0.9:8080` */
  readonly address?: string
  readonly state: 'ready' | 'unavailable'
  /** `NetworkDriver`, `IpamDriver`, and what else it says of itself. */
  readonly implements: readonly string[]
  /** Why it is unavailable. */
  readonly problem?: string
  /** Names of the networks whose driver or IPAM it is. */
  readonly networks: readonly string[]
  /** How many endpoints wait for it to be made whole. */
  readonly degraded: number
}

/** The daemon itself. */
export interface StatusInfo {
  readonly version: string
  readonly pid: number
  /** Another one after each start: sequence numbers of events begin anew. */
  readonly instance: string
  /** ISO 8601, UTC. */
  readonly started: string
  readonly stateDir: string
  readonly runDir: string
  /** How many there are. */
  readonly networks: number
  readonly endpoints: number
  readonly sandboxes: number
  /** Of the last event. */
  readonly sequence: number
}

/** What has passed through links of ours since each was made. */
export interface Statistics {
  /** Those that have a bridge, or endpoints with links; by name. */
  readonly networks: readonly NetworkStatistics[]
  /** Those that have a link (not on `host` and `none`); by network and name. */
  readonly endpoints: readonly EndpointStatistics[]
}

/** From the point of view of who has it: `received` by the sandbox, `sent` by the network. */
export interface Traffic {
  readonly received: TrafficCounters
  readonly sent: TrafficCounters
}

export interface TrafficCounters {
  readonly bytes: number
  readonly packets: number
  readonly dropped: number
  readonly errors: number
}

export interface NetworkStatistics {
  readonly id: string
  readonly name: string
  /** The sums of its endpoints. They fall when one leaves. */
  readonly endpoints: Traffic
  /** What its bridge has passed on from the host, and from beyond, and to them. Absent: it has none. */
  readonly bridge?: Traffic
}

export interface EndpointStatistics extends Traffic {
  readonly id: string
  readonly name: string
  /** Id of its network. */
  readonly network: string
  readonly networkName: string
  /** Id of its sandbox. */
  readonly sandbox: string
  readonly sandboxName: string
}
