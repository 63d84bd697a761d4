import { expect, it } from 'vitest'
import type { TableResource } from '#dist/kernel/resource.js'
import { add, type KernelRig, kernelRig } from '../support/kernel-rig.ts'

function accepting(...links: readonly string[]): TableResource {
  const rules = links.map((value) => {
    return { statements: [{ match: 'iifname', value }, { verdict: 'accept' }] } as const
  })
  const chains = [{ name: 'pass', rules }]
  return {
    kind: 'table',
    definition: { family: 'inet', name: 'mine', owned: true, sets: [], chains },
  }
}

/** With the numbers of the rules, of which the kernel gives no two the same. */
function listed({ host }: KernelRig): Promise<string> {
  return host.nft('-a list table inet mine')
}

it('is not written again when it is to stay as it is', async () => {
  await using rig = await kernelRig()
  const table = accepting('a', 'b')
  await add(rig.kernel, table)
  const before = await listed(rig)
  await rig.kernel.apply({ remove: [table], add: [table] })
  expect(await listed(rig)).toBe(before)
})

it('is written when it becomes another', async () => {
  await using rig = await kernelRig()
  await add(rig.kernel, accepting('a', 'b'))
  await rig.kernel.apply({ remove: [accepting('a', 'b')], add: [accepting('a', 'c')] })
  expect(await listed(rig)).toContain('iifname "c" accept')
})

it('is written when others have changed it', async () => {
  await using rig = await kernelRig({ persist: false })
  const table = accepting('a', 'b')
  await add(rig.kernel, table)
  await rig.host.nft('flush chain inet mine pass')
  await rig.kernel.apply({ remove: [table], add: [table] })
  expect(await listed(rig)).toContain('iifname "b" accept')
})

it('is woken when others have put it to sleep', async () => {
  await using rig = await kernelRig({ persist: false })
  const table = accepting('a', 'b')
  await add(rig.kernel, table)
  await rig.host.nft('add table inet mine { flags dormant; }')
  expect(await rig.kernel.compare([table])).toMatchObject([
    { state: 'different', detail: 'table inet mine is dormant' },
  ])
  await rig.kernel.apply({ remove: [table], add: [table] })
  expect(await listed(rig)).not.toContain('dormant')
  expect(await rig.kernel.compare([table])).toEqual([])
})
