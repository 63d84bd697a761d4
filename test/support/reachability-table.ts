import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { markdownTable, root, withTable } from './documentation.ts'

// Who reaches what: what test/host/reachability.test.ts tries with packets, and what the table of
// docs/ports-and-isolation.md says.

export const modes = {
  nat: { internal: false, says: '`nat`, the default' },
  'nat-unprotected': { internal: false, says: '`nat-unprotected`' },
  routed: { internal: false, says: '`routed`' },
  internal: { internal: true, says: 'any, `internal`' },
  isolated: { internal: true, says: '`isolated`, `internal`' },
} as const
export type Mode = keyof typeof modes

export const clients = {
  remote: 'a remote host that routes to the network',
  nat: 'a sandbox of another network',
  routed: 'a sandbox of another, routed network',
  host: 'the host',
  neighbour: 'a sandbox of the same network',
  itself: 'the sandbox itself',
} as const
export type Client = keyof typeof clients

export const ways = {
  ping: 'ping',
  published: 'its address, a published port',
  unpublished: 'its address, another port',
  hostAddress: "the host's address, a published port",
} as const
export type Way = keyof typeof ways

/**
 * `gateway`: yes, but the sandbox sees the address of its gateway instead of the client's. `nothing`: no
 * port can be published there.
 */
export type Cell = 'yes' | 'no' | 'gateway' | 'nothing'

const [yes, no, gateway, nothing] = ['yes', 'no', 'gateway', 'nothing'] as const

/** In the order of `ways`. The same for both families. */
const cells: Readonly<Record<Mode, Readonly<Record<Client, readonly [Cell, Cell, Cell, Cell]>>>> = {
  nat: {
    remote: [no, no, no, yes],
    nat: [no, no, no, yes],
    routed: [no, no, no, yes],
    host: [yes, yes, yes, yes],
    neighbour: [yes, yes, yes, gateway],
    itself: [yes, yes, yes, gateway],
  },
  'nat-unprotected': {
    remote: [yes, yes, yes, yes],
    nat: [yes, yes, yes, yes],
    routed: [yes, yes, yes, yes],
    host: [yes, yes, yes, yes],
    neighbour: [yes, yes, yes, gateway],
    itself: [yes, yes, yes, gateway],
  },
  routed: {
    remote: [yes, yes, no, no],
    nat: [yes, yes, no, no],
    routed: [yes, yes, no, no],
    host: [yes, yes, yes, no],
    neighbour: [yes, yes, yes, no],
    itself: [yes, yes, yes, no],
  },
  internal: {
    remote: [no, nothing, no, nothing],
    nat: [no, nothing, no, nothing],
    routed: [no, nothing, no, nothing],
    host: [yes, nothing, yes, nothing],
    neighbour: [yes, nothing, yes, nothing],
    itself: [yes, nothing, yes, nothing],
  },
  isolated: {
    remote: [no, nothing, no, nothing],
    nat: [no, nothing, no, nothing],
    routed: [no, nothing, no, nothing],
    host: [no, nothing, no, nothing],
    neighbour: [yes, nothing, yes, nothing],
    itself: [yes, nothing, yes, nothing],
  },
}

export interface Row {
  readonly mode: Mode
  readonly client: Client
  readonly cells: Readonly<Record<Way, Cell>>
}

export const rows: readonly Row[] = (Object.keys(modes) as Mode[]).flatMap((mode) =>
  (Object.keys(clients) as Client[]).map((client) => {
    const [ping, published, unpublished, hostAddress] = cells[mode][client]
    return { mode, client, cells: { ping, published, unpublished, hostAddress } }
  }),
)

const words: Readonly<Record<Cell, string>> = {
  yes: 'yes',
  no: 'no',
  gateway: 'yes, seen as the gateway',
  nothing: '–',
}

function table(): string {
  const lines = [
    ['gateway mode', 'from', ...Object.values(ways)],
    ...rows.map(({ mode, client, cells }) => [
      modes[mode].says,
      clients[client],
      ...Object.values(cells).map((cell) => words[cell]),
    ]),
  ]
  return markdownTable(lines)
}

export const reachabilityPage = join(root, 'docs/ports-and-isolation.md')

/** The page with the table as it should be. */
export function pageWithTable(): string {
  const text = readFileSync(reachabilityPage, 'utf8')
  return withTable(text, 'test/support/reachability-table.ts', table())
}
