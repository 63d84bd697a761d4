import { isOurs } from '../../../dns/files/resolv-conf.ts'
import type { Upstream } from '../../../kernel/kept-resource.ts'
import { Server } from './server.ts'

/** Servers that are asked for each other, from one place. */
export interface ServerGroup {
  /** What sets its answers apart from those of other groups. */
  readonly key: string
  /** Without those that are us. */
  readonly servers: readonly Server[]
}

interface Known {
  readonly upstreams: readonly Upstream[]
  readonly group: ServerGroup
}

/** All servers that are asked. The same address asked from two places may be two servers. */
export class Servers {
  readonly #places = new Map<string, Known>()

  /** `place`: empty for the host, or the id of a sandbox. */
  group(place: string, upstreams: readonly Upstream[]): ServerGroup {
    const known = this.#places.get(place)
    if (known?.upstreams === upstreams) return known.group
    const before = new Map(known?.group.servers.map((server) => [server.name, server]))
    const servers = upstreams
      .filter((upstream) => !isOurs(upstream))
      .map((upstream) => new Server(upstream))
      .map((server) => before.get(server.name) ?? server)
    const key = `${place} ${servers.map(({ name }) => name).join(' ')}`
    const group = { key, servers }
    this.#places.set(place, { upstreams, group })
    return group
  }

  forget(place: string): void {
    this.#places.delete(place)
  }
}

/** The dead last, then by how they answer, then as they are listed. */
export function inOrder(servers: readonly Server[], now: number): readonly Server[] {
  if (servers.length === 1) return servers
  const ranks = new Map(servers.map((server) => [server, server.rank(now)]))
  return servers.toSorted((a, b) => ranks.get(a)! - ranks.get(b)!)
}
