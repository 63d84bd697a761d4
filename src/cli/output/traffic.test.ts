import { expect, it } from 'vitest'
import type { Statistics } from '../../api/reports.ts'
import { topologyLines } from './topology.ts'
import { trafficBetween } from './traffic.ts'

const counters = (bytes: number) => ({ bytes, packets: 1, dropped: 0, errors: 0 })

function statistics(bytes: Readonly<Record<string, [received: number, sent: number]>>) {
  const endpoints = Object.entries(bytes).map(([id, [received, sent]]) => ({
    id,
    name: id,
    network: 'n',
    networkName: 'web',
    sandbox: 's',
    sandboxName: 'box',
    received: counters(received),
    sent: counters(sent),
  }))
  return { networks: [], endpoints } satisfies Statistics
}

it('is what has passed in the time between, of endpoints that stayed', () => {
  const before = statistics({ stays: [1000, 0], goes: [5, 5], again: [900, 900] })
  const after = statistics({ stays: [251_000, 125], comes: [7, 7], again: [100, 900] })
  expect(trafficBetween(before, after, 2)).toEqual({
    stays: { in: 1_000_000, out: 500 },
    // Its link is another one: what it counted before is gone.
    again: { in: 0, out: 0 },
  })
})

it('stands behind the endpoint it is about', () => {
  const network = { id: 'n', name: 'web', driver: 'bridge', ipam: 'local', created: '' }
  const endpoint = { id: 'e', name: 'api', network: 'n', state: 'ready' as const, created: '' }
  const lines = topologyLines({
    networks: [{ ...network, internal: false, ephemeral: false, labels: {}, options: {} }],
    endpoints: [
      {
        ...endpoint,
        labels: {},
        aliases: [],
        gwPriority: 0,
        attached: true,
        persistent: false,
        ipv4: '10.7.0.2',
        joined: { sandbox: 's', link: 'eth0' },
        ports: [],
        exposed: [],
      },
    ],
    sandboxes: [],
    traffic: { e: { in: 1_500_000, out: 0 } },
  })
  expect(lines.at(-1)).toMatch(
    /^└─ api {2}10\.7\.0\.2 {2}in s as eth0 {2}now 1\.5mbit in, 0bit out$/,
  )
})
