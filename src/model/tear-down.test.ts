import { expect, it } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import type { LocalController } from './controller.ts'

async function world(cnm: LocalController) {
  const web = await cnm.createNetwork({ name: 'web' })
  const db = await cnm.createNetwork({ name: 'db' })
  await cnm.createNetwork({ name: 'unused' })
  const box = await cnm.createSandbox({ name: 'box' })
  await box.connect(web, { publish: ['8080:80'] })
  await box.connect(db)
  await web.createEndpoint({ name: 'kept', persistent: true })
  return { web, db, box }
}

const names = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name)

it('lists the endpoints of all networks', async () => {
  await using cnm = await new MemoryRig().start()
  await world(cnm)
  expect(names(await cnm.endpoints())).toEqual(['box', 'box', 'kept'])
})

it('deletes a network by force, with endpoints that are used and that are not', async () => {
  await using cnm = await new MemoryRig().start()
  const { web, box } = await world(cnm)
  await expect(web.delete()).rejects.toMatchObject({ code: 'NETWORK_IN_USE' })
  await web.delete({ force: true })
  expect(names(await cnm.networks())).toEqual(['host', 'none', 'db', 'unused'])
  expect((await box.endpoints()).map((endpoint) => endpoint.info.ports)).toEqual([[]])
})

it('deletes a network by force although the next default route can’t be made', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const { db, web, box } = await world(cnm)
  const { namespace } = await box.inspect()
  // The name decides between equals.
  const members = (await box.endpoints()).map((endpoint) => endpoint.info)
  const link = members.find(({ network }) => network === web.id)?.joined?.link
  rig.kernel.removeLink(link!, namespace)
  await db.delete({ force: true })
  expect(names(await cnm.networks())).not.toContain('db')
  expect(rig.problems).toEqual([expect.objectContaining({ code: 'KERNEL' })])
  expect((await cnm.doctor()).map(({ kind }) => kind)).toContain('missing')
  await cnm.doctor({ fix: true })
  expect(await cnm.doctor()).toEqual([])
  expect(rig.kernel.lines().join('\n')).toMatch(new RegExp(`default via .* dev ${link}`))
})

it('deletes an ephemeral network by force, which goes with its last endpoint', async () => {
  await using cnm = await new MemoryRig().start()
  const web = await cnm.createNetwork({ name: 'web', ephemeral: true })
  const box = await cnm.createSandbox()
  await box.connect(web)
  await web.delete({ force: true })
  expect(names(await cnm.networks())).toEqual(['host', 'none'])
})

it('never deletes a network that is always there, nor its endpoints', async () => {
  await using cnm = await new MemoryRig().start()
  const box = await cnm.createSandbox({ host: true })
  await box.connect(cnm.network('host'))
  const deleting = cnm.network('host').delete({ force: true })
  await expect(deleting).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  expect(await cnm.endpoints()).toHaveLength(1)
})

it('prunes what is not used', async () => {
  await using cnm = await new MemoryRig().start()
  await world(cnm)
  await cnm.createNetwork({ name: 'idle' })
  expect((await cnm.prune()).sort()).toEqual(['idle', 'unused'])
  expect(await cnm.prune()).toEqual([])
  expect(names(await cnm.networks())).toEqual(['host', 'none', 'web', 'db'])
})

it('takes everything down, and the machine is as before', async () => {
  const rig = new MemoryRig()
  const before = rig.kernel.lines()
  await using cnm = await rig.start()
  const atStart = rig.snapshot()
  await world(cnm)
  await cnm.down()
  expect([names(await cnm.networks()), await cnm.sandboxes(), await cnm.endpoints()]).toEqual([
    ['host', 'none'],
    [],
    [],
  ])
  expect(rig.snapshot()).toEqual(atStart)
  expect(rig.kernel.lines()).toEqual(before)
  await cnm.down()
})

it('goes on past what fails, and tells of it', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await world(cnm)
  await cnm.createSandbox({ name: 'other' })
  rig.kernel.failAt(1)
  const error = await cnm.down().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'KERNEL',
    message: expect.stringMatching(/^deleting sandbox "/),
  })
  expect(names(await cnm.networks())).toEqual(['host', 'none'])
  expect(await cnm.sandboxes()).toHaveLength(1)
  await cnm.down()
  expect(await cnm.sandboxes()).toEqual([])
})

it('does not begin when it is cancelled', async () => {
  await using cnm = await new MemoryRig().start()
  await world(cnm)
  const down = cnm.down({ signal: AbortSignal.abort() })
  await expect(down).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(await cnm.sandboxes()).toHaveLength(1)
})
