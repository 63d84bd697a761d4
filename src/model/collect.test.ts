import { expect, it } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { CnmError } from '../base/errors.ts'
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
  const { store } = parts
  let isBroken = false
  const cnm = await createController({
    ...parts,
    store: {
      load: () => store.load(),
      lacks: (kind, ids) => store.lacks(kind, ids),
      close: () => store.close(),
      commit: async (writes) => {
        const isOfA = JSON.stringify(writes).includes('"name":"a"')
        if (isBroken && isOfA && JSON.stringify(writes).includes('"deleting"')) {
          if (writes.some(({ kind }) => kind === 'applied')) {
            throw new CnmError('STORE_UNAVAILABLE', 'injected')
          }
        }
        await store.commit(writes)
      },
    },
  })
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
