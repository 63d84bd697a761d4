import { afterEach, beforeEach, expect, it } from 'vitest'
import { FakePlugin } from '../../test/support/fake-plugin.ts'
import type { LocalController } from '../model/controller.ts'

// What a plug-in is told of what has gone, while it is slow, away, or refuses.

let fake: FakePlugin
let cnm: LocalController

beforeEach(async () => {
  fake = await FakePlugin.start()
  cnm = await fake.engine()
})
afterEach(() => fake[Symbol.asyncDispose]())

const web = { name: 'web', driver: 'fake', subnets: ['10.66.0.0/24'] } as const
const slow =
  (ms: number) =>
  (_: unknown, response: { writeHead(code: number): { end(text: string): void } }) => {
    setTimeout(() => response.writeHead(200).end('{}'), ms)
  }
const isAsked = (method: string) => expect.poll(() => fake.calls.includes(method)).toBe(true)

/** It never answers that. */
function hang(method: string): void {
  const arm = () => fake.faults.set(method, () => arm())
  arm()
}

/** An engine that waits for a plug-in so long only. */
async function impatient(ms: number): Promise<void> {
  await cnm.close()
  cnm = await fake.engine(undefined, ms)
}

it('is told whole, though more comes while it is told', async () => {
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await network.createEndpoint({ name: 'apart', persistent: true })
  await endpoint.join(box)
  fake.faults.set('Leave', slow(200))
  const leaving = endpoint.leave()
  await isAsked('Leave')
  await endpoint.delete()
  await leaving
  expect([...fake.endpoints]).toEqual([])
})

it('is told by the next engine, though another call was under way', async () => {
  await impatient(2_000)
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await network.createEndpoint({ name: 'apart', persistent: true })
  await endpoint.join(box)
  fake.faults.set('Leave', slow(300))
  const leaving = endpoint.leave()
  await isAsked('Leave')
  await Promise.all([leaving, endpoint.delete()])
  await cnm.close()
  cnm = await fake.engine()
  await expect.poll(() => [...fake.endpoints]).toEqual([])
})

it('is told whole of a sandbox that goes while its default route moves', async () => {
  const network = await cnm.createNetwork(web)
  const other = await cnm.createNetwork({ name: 'other' })
  const box = await cnm.createSandbox({ name: 'box' })
  await box.connect(network)
  fake.faults.set('RevokeExternalConnectivity', slow(200))
  const connecting = box.connect(other, { gwPriority: 10 })
  await isAsked('RevokeExternalConnectivity')
  await box.delete()
  await connecting
  expect([...fake.endpoints]).toEqual([])
})

it('keeps no connect from a network, though a call about another endpoint hangs', async () => {
  await impatient(300)
  const network = await cnm.createNetwork(web)
  const a = await cnm.createSandbox({ name: 'a' })
  const endpoint = await a.connect(network)
  hang('RevokeExternalConnectivity')
  await endpoint.leave()
  const b = await cnm.createSandbox({ name: 'b' })
  await expect
    .poll(() => b.connect(network).then(() => 'connected', String), { timeout: 5_000 })
    .toBe('connected')
})

it('comes before a new join of the same endpoint, which is refused until then', async () => {
  await impatient(150)
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await network.createEndpoint({ name: 'apart', persistent: true })
  await endpoint.join(box)
  hang('RevokeExternalConnectivity')
  await endpoint.leave()
  await expect(endpoint.join(box)).rejects.toThrow('has not heard that it has left')
  fake.faults.delete('RevokeExternalConnectivity')
  await expect
    .poll(() => endpoint.join(box).then(() => 'joined', String), { timeout: 10_000 })
    .toBe('joined')
  expect(fake.calls.lastIndexOf('Leave')).toBeLessThan(fake.calls.lastIndexOf('Join'))
})

it('comes before the network goes', async () => {
  await impatient(300)
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await box.connect(network)
  fake.faults.set('DeleteEndpoint', () => {})
  await endpoint.leave()
  await network.delete()
  await expect.poll(() => fake.calls.includes('DeleteNetwork'), { timeout: 5_000 }).toBe(true)
  const last = (method: string) => fake.calls.lastIndexOf(method)
  expect(last('DeleteNetwork')).toBeGreaterThan(last('DeleteEndpoint'))
})

it('is waited for by who wants the address, and that can be cancelled', async () => {
  const network = await cnm.createNetwork(web)
  const [a, b] = [await cnm.createSandbox({ name: 'a' }), await cnm.createSandbox({ name: 'b' })]
  const first = await a.connect(network, { ip: '10.66.0.9' })
  fake.faults.set('Leave', slow(600))
  const leaving = first.leave()
  await isAsked('Leave')
  const cancelled = b.connect(network, { signal: AbortSignal.timeout(50) })
  const next = a.connect(network, { ip: '10.66.0.9' })
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(fake.calls).not.toContain('DeleteEndpoint')
  await Promise.all([leaving, next])
})

it('does not take the link from an endpoint whose ports are refused when it is back', async () => {
  const network = await cnm.createNetwork(web)
  const box = await cnm.createSandbox({ name: 'box' })
  const endpoint = await box.connect(network)
  const { namespace } = await box.inspect()
  await fake.stop()
  fake.forget()
  fake.rig.kernel.removeLink('eth0', namespace)
  fake.faults.set('ProgramExternalConnectivity', (_, response) => {
    response.writeHead(500).end('{"Err":"port taken"}')
  })
  await fake.listen()
  const asked = () => fake.calls.filter((call) => call === 'ProgramExternalConnectivity').length
  await expect.poll(asked).toBe(2)
  await expect.poll(async () => (await endpoint.inspect()).plugin).toBe('degraded')
  expect(fake.rig.kernel.lines().filter((line) => line.includes('eth0'))).not.toEqual([])
})

it('keeps no one from cancelling the deletion of an endpoint', async () => {
  const network = await cnm.createNetwork(web)
  fake.faults.set('CreateEndpoint', slow(600))
  const creating = network.createEndpoint({ name: 'x', persistent: true })
  await isAsked('CreateEndpoint')
  const signal = AbortSignal.timeout(50)
  await expect(cnm.endpoint(`${network.id}/x`).delete({ signal })).rejects.toMatchObject({
    code: 'CANCELLED',
  })
  await creating
})
