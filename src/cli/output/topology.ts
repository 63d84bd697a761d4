import type { EndpointInfo, NetworkInfo, SandboxInfo } from '../../api/shapes.ts'
import { shortId } from '../../base/id.ts'
import type { Traffic } from './traffic.ts'
import { addressesOf, portsOf, rateOf, subnetsOf, trafficText } from './words.ts'

export interface Topology {
  readonly networks: readonly NetworkInfo[]
  readonly endpoints: readonly EndpointInfo[]
  readonly sandboxes: readonly SandboxInfo[]
  /** Absent: it wasn't measured. */
  readonly traffic?: Traffic
}

interface Ink {
  readonly strong: (text: string) => string
  readonly weak: (text: string) => string
}

const plain: Ink = { strong: (text) => text, weak: (text) => text }

/** Networks, below each its endpoints, and whose they are; then what has no network. */
export function topologyLines(topology: Topology, ink = plain): readonly string[] {
  const { networks, endpoints, sandboxes, traffic = {} } = topology
  const sandboxNames = new Map(sandboxes.map(({ id, name }) => [id, name]))
  const width = Math.max(0, ...endpoints.map(({ name }) => name.length))
  const lines = networks.flatMap((network) => {
    const mine = endpoints.filter((each) => each.network === network.id)
    return ['', networkLine(network, ink), ...branches(mine, { sandboxNames, width, traffic }, ink)]
  })
  const connected = new Set(endpoints.map(({ joined }) => joined?.sandbox))
  const alone = sandboxes.filter(({ id }) => !connected.has(id))
  if (alone.length === 0) return lines
  const names = alone.map(({ id, name }, at) => {
    const tail = name === shortId(id) ? '' : `  ${ink.weak(shortId(id))}`
    return `${at === alone.length - 1 ? '└─' : '├─'} ${name}${tail}`
  })
  return [...lines, '', ink.strong('sandboxes without a network'), ...names]
}

function networkLine(network: NetworkInfo, { strong, weak }: Ink): string {
  const { name, driver, internal, ephemeral } = network
  const notes = [...(internal ? ['internal'] : []), ...(ephemeral ? ['ephemeral'] : [])]
  return [strong(name), weak([driver, subnetsOf(network), ...notes].filter(Boolean).join(', '))]
    .filter(Boolean)
    .join('  ')
}

/** What is said of endpoints that isn't theirs. */
interface Around {
  readonly sandboxNames: ReadonlyMap<string, string>
  readonly width: number
  readonly traffic: Traffic
}

function branches(
  endpoints: readonly EndpointInfo[],
  { sandboxNames, width, traffic }: Around,
  ink: Ink,
): readonly string[] {
  return endpoints.map((endpoint, at) => {
    const branch = at === endpoints.length - 1 ? '└─' : '├─'
    const parts = [
      endpoint.name.padEnd(width),
      addressesOf(endpoint),
      whose(endpoint, sandboxNames),
      portsOf(endpoint),
      rateOf(endpoint),
      trafficText(traffic[endpoint.id]),
      endpoint.dns === 'degraded' ? 'names degraded' : '',
      endpoint.state === 'ready' ? '' : endpoint.state,
    ]
    return `${ink.weak(branch)} ${parts.filter((part) => part.trim() !== '').join('  ')}`
  })
}

/** Usually the endpoint is called like its sandbox, which needn't be said twice. */
function whose({ name, joined }: EndpointInfo, sandboxNames: ReadonlyMap<string, string>): string {
  if (joined === undefined) return 'in no sandbox'
  const sandbox = sandboxNames.get(joined.sandbox) ?? shortId(joined.sandbox)
  const link = joined.link ?? ''
  return sandbox === name ? link : `in ${sandbox}${link === '' ? '' : ` as ${link}`}`
}
