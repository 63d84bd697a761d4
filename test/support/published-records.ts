import { expect } from 'vitest'
import type { PublishedBinding } from '#dist/linux/library.js'
import type { ThrowAwayHost } from './host.ts'
import type { Protocol } from './packets.ts'
import { canReservePorts } from './ports.ts'
import { answering, bindable, servePorts } from './published-view.ts'

/** What an engine has recorded of an endpoint of a sandbox. */
export interface RecordedEndpoint {
  /** The sandbox's namespace. */
  readonly path: string
  readonly ipv4?: string
  readonly ipv6?: string
  readonly ports: readonly PublishedBinding[]
}

interface Port {
  readonly endpoint: RecordedEndpoint
  readonly family: 4 | 6
  readonly protocol: Protocol
  readonly hostAddress: string
  readonly hostPort: number
  readonly port: number
  readonly active: boolean
}

/**
 * What is recorded is what is published: every active port answers, no other can have one that is
 * recorded, or is kept from one of `others` that isn't, and nothing else is forwarded.
 */
export async function expectPublished(
  host: ThrowAwayHost,
  endpoints: readonly RecordedEndpoint[],
  others: readonly number[],
): Promise<void> {
  const ports = endpoints.flatMap(portsOf)
  const active = ports.filter((port) => port.active)
  expect(await forwarded(host)).toEqual(active.map(wayOf).sort())
  await expectAnswers(host, active)
  if (!canReservePorts()) return
  const held = new Set(ports.map(({ protocol, hostPort }) => `${protocol} ${hostPort}`))
  for (const { protocol, hostAddress, hostPort } of ports) {
    expect(bindable(host, protocol, hostAddress, hostPort)).toBe('EADDRINUSE')
  }
  for (const port of others) {
    if (held.has(`tcp ${port}`)) continue
    expect(bindable(host, 'tcp', '0.0.0.0', port), `port ${port}`).toBe('free')
  }
}

function portsOf(endpoint: RecordedEndpoint): Port[] {
  return endpoint.ports.flatMap(({ protocol, family, hostAddress, hostPorts, ports, state }) => {
    if (hostPorts === undefined || protocol === 'sctp') throw new Error('no port to be asked')
    return Array.from({ length: ports.to - ports.from + 1 }, (_, index) => ({
      endpoint,
      family,
      protocol,
      hostAddress,
      hostPort: hostPorts.from + index,
      port: ports.from + index,
      active: state === 'active',
    }))
  })
}

function wayOf({ endpoint, family, protocol, hostAddress, hostPort, port }: Port): string {
  const address = family === 4 ? endpoint.ipv4 : endpoint.ipv6
  return `${protocol} ${hostAddress} ${hostPort} to ${address} ${port}`
}

async function expectAnswers(host: ThrowAwayHost, ports: readonly Port[]): Promise<void> {
  const servers: AsyncDisposable[] = []
  try {
    // A sandbox may have its IPv4 ports by one endpoint, and its IPv6 ports by another.
    for (const path of new Set(ports.map(({ endpoint }) => endpoint.path))) {
      const inside = ports.filter(({ endpoint }) => endpoint.path === path)
      servers.push(await servePorts(path, new Set(inside.map(({ port }) => port)), `${path}:`))
    }
    const asked = ports.map(async ({ endpoint, family, protocol, hostPort, port }) => {
      const to = family === 4 ? '127.0.0.1' : '::1'
      const expected = `${endpoint.path}:${port}`
      const question = { from: host.netns, protocol, to, port: hostPort }
      return [expected, await answering(question, expected)]
    })
    const wrong = (await Promise.all(asked)).filter(([expected, answer]) => expected !== answer)
    expect(wrong).toEqual([])
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
}

type Part =
  | string
  | number
  | { readonly range: readonly [number, number] }
  | { readonly prefix: { readonly addr: string } }

interface NftMap {
  readonly map?: {
    readonly name: string
    readonly elem?: readonly (readonly [
      { readonly elem: { readonly val: { readonly concat: readonly Part[] } } },
      string | { readonly concat: readonly [string, number] },
    ])[]
  }
}

/** All that the firewall forwards, a line for each port, as `nft` says. */
async function forwarded(host: ThrowAwayHost): Promise<string[]> {
  const list = 'nft -j list table inet cnm 2>/dev/null || echo \'{"nftables":[]}\''
  const { nftables } = JSON.parse(await host.sh(list)) as { nftables: readonly NftMap[] }
  const maps = nftables.flatMap(({ map }) => (map?.name.startsWith('published') ? [map] : []))
  const lines = maps.flatMap(({ name, elem = [] }) =>
    elem.flatMap(([key, to]) => {
      const [port = '', protocol = '', at] = key.elem.val.concat.toReversed()
      const any = name.startsWith('published4') ? '0.0.0.0' : '::'
      const address = at === undefined ? any : isPrefix(at) ? at.prefix.addr : String(at)
      const [from, until] = isRange(port) ? port.range : [Number(port), Number(port)]
      return Array.from({ length: until - from + 1 }, (_, index) => {
        const [target, inside] = typeof to === 'string' ? [to, from + index] : to.concat
        return `${protocol} ${address} ${from + index} to ${target} ${inside}`
      })
    }),
  )
  return lines.sort()
}

function isRange(part: Part): part is { readonly range: readonly [number, number] } {
  return typeof part === 'object' && 'range' in part
}

function isPrefix(part: Part): part is { readonly prefix: { readonly addr: string } } {
  return typeof part === 'object' && 'prefix' in part
}
