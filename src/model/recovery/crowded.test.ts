import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'

it('doctor tells of tables that all share when they are nearly full', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  rig.kernel.fillTable({ table: 'neighbours4', used: 1000, limit: 1024, refused: 1 })
  // Nothing of ours depends on it yet.
  expect(await cnm.doctor()).toEqual([])
  await cnm.createNetwork({ name: 'web' })
  await cnm.createSandbox({ connect: [{ network: 'web' }] })
  rig.kernel.fillTable({ table: 'conntrack', used: 200, limit: 1000 })
  const remedy = 'sysctl -w net.ipv4.neigh.default.gc_thresh3=4096'
  const finding = { kind: 'crowded', mended: false, remedy, detail: expect.any(String) }
  expect(await cnm.doctor()).toEqual([finding])
  rig.kernel.fillTable({ table: 'neighbours4', used: 800, limit: 1024, refused: 1 })
  expect(await cnm.doctor()).toEqual([])
  // Of old ones, that make room for new ones.
  rig.kernel.fillTable({ table: 'neighbours4', used: 1000, limit: 1024, refused: 0 })
  expect(await cnm.doctor()).toEqual([])
  rig.kernel.fillTable({ table: 'conntrack', used: 801, limit: 1000 })
  expect(await cnm.doctor({ fix: true })).toMatchObject([
    { kind: 'crowded', remedy: 'sysctl -w net.netfilter.nf_conntrack_max=4000', mended: false },
  ])
})

it('doctor counts a neighbour for each sandbox, before there are any', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ipv6: true })
  rig.kernel.fillTable({ table: 'neighbours4', used: 0, limit: 4, refused: 0 })
  rig.kernel.fillTable({ table: 'neighbours6', used: 0, limit: 8, refused: 0 })
  for (let count = 0; count < 4; count += 1) {
    expect(await cnm.doctor()).toEqual([])
    await cnm.createSandbox({ connect: [{ network: 'web' }] })
  }
  const [found, ...others] = await cnm.doctor()
  expect(found).toMatchObject({ kind: 'crowded', detail: expect.stringContaining('4 of 4 IPv4') })
  expect(others).toEqual([])
})
