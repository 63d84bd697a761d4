import { expect, it } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { CnmError } from '../base/errors.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { Store, Write } from '../store/store.ts'
import { createController } from './controller.ts'

it('keeps an ephemeral network whose first connection was refused for its options', async () => {
  await using cnm = await new MemoryRig().start()
  const options = { name: 'web', subnets: ['10.9.0.0/24'], ephemeral: true }
  const network = await cnm.createNetwork(options)
  const box = await cnm.createSandbox({ name: 'box' })
  await expect(box.connect(network, { ip: '10.9.0.1' })).rejects.toMatchObject({
    code: 'ADDRESS_IN_USE',
  })
  await box.connect(network)
})

it('goes on with what else is to go, though one can’t', async () => {
  const rig = new MemoryRig()
  const parts = rig.parts()
  let isBroken = false
  const store = refusing(parts.store, ({ kind, value }) => {
    const text = JSON.stringify(value)
    return isBroken && kind === 'applied' && text.includes('"deleting"') && text.includes('"a"')
  })
  const cnm = await createController({ ...parts, store })
  await cnm.createNetwork({ name: 'a', subnets: ['10.9.0.0/24'], ephemeral: true })
  await cnm.createNetwork({ name: 'b', subnets: ['10.10.0.0/24'], ephemeral: true })
  const box = await cnm.createSandbox({ connect: [{ network: 'a' }, { network: 'b' }] })
  isBroken = true
  await box.delete()
  const left = (await cnm.networks()).map(({ name }) => name)
  await cnm.close()
  expect(left).toContain('a')
  expect(left).not.toContain('b')
  expect(rig.problems.map(String).join()).toContain('injected')
})

it('keeps no engine from starting, though a container of another engine can’t go', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  const docker = first.runtime('docker')
  const network = 'a'.repeat(64) as NetworkId
  const endpoint = 'b'.repeat(64) as EndpointId
  await docker.createNetwork(network, { name: 'web', subnets: ['10.9.0.0/24'] })
  await docker.createEndpoint(endpoint, network, { name: 'one' })
  await docker.join(endpoint, '/containers/one')
  await first.close()
  // Its endpoint can't be brought back without its driver.
  const parts = rig.parts()
  const drivers = parts.drivers.filter(({ name }) => name !== 'bridge')
  const store = refusing(parts.store, ({ kind, value }) => {
    return kind === 'sandbox' && JSON.stringify(value).includes('"deleting"')
  })
  await using second = await createController({ ...parts, drivers, store })
  await second.settled()
  await expect.poll(() => rig.problems.map(String).join()).toContain('injected')
})

/** It refuses to record that. */
function refusing(store: Store, isRefused: (write: Write) => boolean): Store {
  return {
    load: () => store.load(),
    lacks: (kind, ids) => store.lacks(kind, ids),
    close: () => store.close(),
    commit: async (writes) => {
      if (writes.some(isRefused)) throw new CnmError('STORE_UNAVAILABLE', 'injected')
      await store.commit(writes)
    },
  }
}
