import { expect, it } from 'vitest'
import { memoryKernel } from '../../kernel/memory/index.ts'
import { type ElementResource, eachElement, type TableResource } from '../../kernel/resource.ts'
import { Ledger } from '../change/ledger.ts'
import { Leftovers } from '../change/leftovers.ts'
import type { Engine } from '../engine.ts'
import { findDrift } from './drift.ts'

it('an element of a run is no orphan, one beside it is', async () => {
  const table: TableResource = {
    kind: 'table',
    definition: {
      family: 'inet',
      name: 'cnm',
      owned: true,
      sets: [{ name: 'open4', key: ['ipv4_addr', 'inet_proto', 'inet_service'] }],
      chains: [],
    },
  }
  const run: ElementResource = {
    kind: 'element',
    family: 'inet',
    table: 'cnm',
    set: 'open4',
    key: ['10.7.0.2', 'tcp', '8000'],
    run: 100,
    owner: 'endpoint',
  }
  const beside: ElementResource = { ...eachElement(run)[0]!, key: ['10.7.0.2', 'tcp', '8100'] }
  const kernel = memoryKernel()
  const ledger = new Ledger()
  ledger.claim([{ owner: 'endpoint', from: [], to: [run] }])
  await kernel.apply({ remove: [], add: [table, run, beside] })
  const changes = { transactions: { leftovers: new Leftovers(ledger) } }
  const engine = { kernel, ledger, changes, namespaceDir: '/run/cnm/netns' }
  const drift = await findDrift(engine as unknown as Engine)
  expect(drift).toEqual({ differences: [], orphans: [beside] })
})
