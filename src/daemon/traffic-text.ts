import type { Statistics, Traffic } from '../api/told.ts'

/** What is counted, as `node_exporter` calls it. */
const counts = [
  ['bytes', 'bytes', 'Bytes'],
  ['packets', 'packets', 'Packets'],
  ['dropped', 'drop', 'Packets that were dropped'],
  ['errors', 'errs', 'Packets with errors'],
] as const satisfies readonly (readonly [keyof Traffic['received'], string, string])[]

const directions = [
  ['received', 'receive', 'to'],
  ['sent', 'transmit', 'from'],
] as const satisfies readonly (readonly [keyof Traffic, string, string])[]

interface Subject {
  readonly labels: string
  readonly traffic: Traffic
}

/**
 * Counters of traffic in the text format of Prometheus. A registry would take each of what may be
 * thousands of numbers into a table of its own, only to write it once.
 */
export function trafficText({ networks, endpoints }: Statistics): string {
  const members = endpoints.map((endpoint): Subject => {
    const { networkName, name, sandboxName } = endpoint
    const labels = `network=${quoted(networkName)},endpoint=${quoted(name)},sandbox=${quoted(sandboxName)}`
    return { labels, traffic: endpoint }
  })
  const bridges = networks.flatMap(({ name, bridge }): Subject[] => {
    return bridge === undefined ? [] : [{ labels: `network=${quoted(name)}`, traffic: bridge }]
  })
  return (
    family('endpoint', (way) => `${way} the sandbox`, members) +
    family('network', (way) => `${way} the network, by the host and what is beyond`, bridges)
  )
}

function family(
  prefix: string,
  where: (way: 'to' | 'from') => string,
  subjects: readonly Subject[],
): string {
  let text = ''
  for (const [direction, verb, way] of directions) {
    for (const [count, suffix, what] of counts) {
      const name = `cnm_${prefix}_${verb}_${suffix}_total`
      text += `# HELP ${name} ${what} ${where(way)}\n# TYPE ${name} counter\n`
      for (const { labels, traffic } of subjects) {
        text += `${name}{${labels}} ${traffic[direction][count]}\n`
      }
    }
  }
  return text
}

function quoted(value: string): string {
  const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${escaped}"`
}
