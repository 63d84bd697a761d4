import { expect, it } from 'vitest'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import { portGroup } from '../../kernel/link-groups.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import type { Resource, VethResource } from '../../kernel/resource.ts'
import { type MemoryContents, memory } from '../../store/memory/memory.ts'
import { Ledger } from '../change/ledger.ts'
import { Leftovers } from '../change/leftovers.ts'
import { RecordBook } from '../change/record-book.ts'
import type { Engine } from '../engine.ts'
import type { EndpointRecord } from '../records.ts'
import { ModelState, type NetworkState } from '../state.ts'
import { regroupPorts } from './regroup.ts'

const net = 'a'.repeat(64) as NetworkId
const endpoint = 'e'.repeat(64) as EndpointId
const bridge: Resource = { kind: 'bridge', name: 'br-a', origin: 'own', ipv6: false }
const namespace = { path: '/run/cnm/netns/box' }

/** A machine with a port as an earlier version has made it. */
async function earlier() {
  const kernel = memoryKernel()
  const contents: MemoryContents = new Map()
  const store = new RecordBook(memory(contents))
  await store.load()
  const peer = { namespace, name: 'eth0', mac: '02:00:00:00:00:01' as never, ipv6: false }
  const port: VethResource = { kind: 'veth', name: 'v', bridge: 'br-a', mtu: 1500, peer }
  await kernel.apply({ remove: [], add: [{ kind: 'namespace', namespace }, bridge, port] })
  const ledger = new Ledger()
  const changes = { transactions: { leftovers: new Leftovers(ledger) } }
  const engine = { kernel, store, ledger, changes, state: new ModelState() }
  const record = { id: net, name: 'n', driver: 'bridge', number: 7 }
  engine.state.putNetwork({ record, state: 'ready' } as Partial<NetworkState> as NetworkState)
  const joined = { id: endpoint, name: 'e', network: net, resources: [port] }
  engine.state.putEndpoint(joined as Partial<EndpointRecord> as EndpointRecord)
  engine.ledger.claim([{ owner: endpoint, from: [], to: [port] }])
  const group = () =>
    /group (\S+) /.exec(kernel.lines().find((line) => line.includes(' v up'))!)![1]
  const stored = () => JSON.parse([...contents.values()].at(-1) ?? 'null')?.value.resources
  return { engine: engine as unknown as Engine, kernel, port, group, stored }
}

it('ports get the group of their network', async () => {
  const { engine, port, group, stored } = await earlier()
  await regroupPorts(engine)
  expect(group()).toBe('cnm-7')
  expect(stored()).toEqual([{ ...port, group: portGroup(7) }])
  expect(engine.ledger.all()).toEqual(stored())
  expect(engine.state.endpoints.need(endpoint).resources).toEqual(stored())
})

it('a port that is gone is not made anew by that', async () => {
  const { engine, kernel, port } = await earlier()
  await kernel.apply({ remove: [port], add: [] })
  await regroupPorts(engine)
  expect(kernel.lines().join('\n')).not.toContain('type veth')
  expect(engine.ledger.all()).toEqual([{ ...port, group: portGroup(7) }])
})
