import { describe, expect, it } from 'vitest'
import { Chance } from '../../../test/support/chance.ts'
import { Interleaver } from '../../../test/support/interleaver.ts'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { asAnother } from '../../../test/support/nested-queues.ts'
import { CnmError, KernelError } from '../../base/errors.ts'
import { bridge } from '../../driver/bridge/bridge.ts'
import type { NetworkDriver } from '../../driver/driver.ts'
import type { Change } from '../../kernel/kernel.ts'
import type { Write } from '../../store/store.ts'
import { createController, type LocalController } from '../controller.ts'

/** What it is refused with. */
async function gone(cnm: LocalController, endpoint: string): Promise<unknown> {
  return cnm
    .endpoint(endpoint)
    .delete()
    .catch((error: unknown) => error)
}

/** An engine whose kernel and store refuse what they are told to refuse. */
class UnwillingRig {
  readonly rig = new MemoryRig()
  refuses: (change: Change) => boolean = () => false
  isFull: (writes: readonly Write[]) => boolean = () => false
  /** What only deletes is recorded all the same. */
  hasNoRoom = false
  /** Of a driver with hooks, `asked`, that hears no `deleteEndpoint` while it is deaf. */
  readonly known = new Set<string>()
  isDeaf = false

  async start(): Promise<LocalController> {
    const parts = this.rig.parts()
    const apply = async (change: Change) => {
      if (this.refuses(change)) throw new KernelError('injected', 'ENETUNREACH')
      await parts.kernel.apply(change)
    }
    const { store } = parts
    const commit = async (writes: readonly Write[]) => {
      if (this.hasNoRoom && writes.some(({ value }) => value !== null)) {
        throw new CnmError('STORE_UNAVAILABLE', 'injected', { details: { errno: 'ENOSPC' } })
      }
      if (this.isFull(writes)) throw new CnmError('STORE_UNAVAILABLE', 'injected')
      await store.commit(writes)
    }
    return createController({
      ...parts,
      drivers: [...parts.drivers, this.#asked()],
      kernel: { ...parts.kernel, apply, close: async () => {} },
      store: {
        load: () => store.load(),
        lacks: (kind, ids) => store.lacks(kind, ids),
        close: () => store.close(),
        commit,
      },
    })
  }

  #asked(): NetworkDriver {
    const driver = new Interleaver(new Chance(1)).asked(bridge(), this.known)
    const hooks = driver.hooks!
    const deleteEndpoint: typeof hooks.deleteEndpoint = async (network, endpoint) => {
      if (this.isDeaf) throw new CnmError('PLUGIN_UNAVAILABLE', 'injected')
      await hooks.deleteEndpoint(network, endpoint)
    }
    return { ...driver, hooks: { ...hooks, deleteEndpoint } }
  }
}

describe('a state folder that can only be read', () => {
  it('keeps nothing but networks from being changed', async () => {
    const unwilling = new UnwillingRig()
    await using cnm = await unwilling.start()
    const old = await cnm.createNetwork({ name: 'old' })
    const web = await cnm.createNetwork({ name: 'web' })
    unwilling.isFull = (writes) => writes.some(({ kind }) => kind === 'network')
    await old.delete()
    const box = await cnm.createSandbox({ connect: [{ network: 'web' }] })
    await (await box.endpoints())[0]!.leave()
    await box.connect(web)
    await box.delete()
    expect((await cnm.networks()).map(({ name }) => name)).not.toContain('old')
  })
})

describe('a state folder without room', () => {
  it('lets all go that makes some', async () => {
    const unwilling = new UnwillingRig()
    await using cnm = await unwilling.start()
    const web = await cnm.createNetwork({ name: 'web' })
    const box = await cnm.createSandbox({ name: 'box', connect: [{ network: 'web' }] })
    const other = await cnm.createSandbox({ name: 'other' })
    const endpoint = await other.connect(web, { publish: ['8080:80'] })
    unwilling.hasNoRoom = true
    await expect(other.connect(web)).rejects.toMatchObject({ code: 'ALREADY_CONNECTED' })
    await expect(cnm.createSandbox()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await endpoint.leave()
    await box.delete()
    await other.delete()
    await web.delete()
    expect((await cnm.networks()).map(({ name }) => name).sort()).toEqual(['host', 'none'])
    expect(await cnm.sandboxes()).toEqual([])
    expect(await cnm.doctor()).toEqual([])
    expect(unwilling.rig.problems).toEqual([])
  })
})

describe('what could not be taken back', () => {
  it('is not taken from who has come to own it, as a part of something larger', async () => {
    const unwilling = new UnwillingRig()
    await using cnm = await unwilling.start()
    await cnm.createNetwork({ name: 'web' })
    const box = await cnm.createSandbox({ connect: [{ network: 'web' }] })
    const [endpoint] = await box.endpoints()
    let applied = 0
    unwilling.refuses = () => ++applied === 2
    let commits = 0
    unwilling.isFull = () => ++commits === 2
    await expect(endpoint!.publish(['8080:80'])).rejects.toThrow('injected')
    expect((await cnm.doctor()).map(({ kind }) => kind)).toContain('orphan')
    await endpoint!.publish(['8080-8081:80-81'])
    expect(await cnm.doctor({ fix: true })).toEqual([])
    expect(await cnm.doctor()).toEqual([])
  })

  it('keeps no engine from starting, and is told until it is gone', async () => {
    const unwilling = new UnwillingRig()
    const first = await unwilling.start()
    await first.createNetwork({ name: 'web' })
    const box = await first.createSandbox({ name: 'box', connect: [{ network: 'web' }] })
    unwilling.refuses = ({ remove }) => remove.some(({ kind }) => kind === 'veth')
    await (await box.endpoints())[0]!.leave()
    await first.close()
    const second = await unwilling.start()
    expect((await second.doctor()).map(({ kind }) => kind)).toContain('orphan')
    unwilling.refuses = () => false
    await second.doctor({ fix: true })
    await second.close()
    await using third = await unwilling.start()
    expect(await third.doctor()).toEqual([])
  })
})

describe('a driver that doesn’t hear that a connection has failed', () => {
  it('is told by the next engine, though that could not be recorded', async () => {
    const unwilling = new UnwillingRig()
    const first = await unwilling.start()
    const web = await first.createNetwork({ name: 'web', driver: 'asked' })
    const box = await first.createSandbox({ name: 'box' })
    unwilling.isDeaf = true
    unwilling.refuses = () => true
    unwilling.isFull = (writes) => writes.some(({ id }) => id.startsWith('owed-'))
    await expect(box.connect(web)).rejects.toThrow('injected')
    await first.close()
    expect([...unwilling.known].map((each) => each.split(' ')[0])).toEqual(['network', 'endpoint'])
    unwilling.isDeaf = false
    unwilling.refuses = () => false
    unwilling.isFull = () => false
    await using _ = await unwilling.start()
    await expect.poll(() => [...unwilling.known]).toEqual([`network ${web.id}`])
  })
})

describe('an endpoint that is being connected', () => {
  it('can’t be deleted yet', async () => {
    const unwilling = new UnwillingRig()
    await using cnm = await unwilling.start()
    const web = await cnm.createNetwork({ name: 'web' })
    const box = await cnm.createSandbox({ name: 'box' })
    let refused: Promise<unknown> | undefined
    unwilling.isFull = (writes) => {
      const id = writes.find(({ kind }) => kind === 'endpoint')?.id
      if (id !== undefined) refused ??= asAnother(() => gone(cnm, id))
      return false
    }
    const endpoint = await box.connect(web)
    expect(await refused).toMatchObject({ code: 'ENDPOINT_IN_USE' })
    expect((await cnm.endpoints()).map(({ id }) => id)).toEqual([endpoint.id])
  })
})
