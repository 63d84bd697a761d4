import { expect } from 'vitest'
import type { IpAddress, Prefix } from '../../address/address.ts'
import type {
  KeptResource,
  NamesResource,
  RelayResource,
  ResolverResource,
  ZoneResource,
} from '../../kernel/kept-resource.ts'
import { type NamespaceRef, resourceKey } from '../../kernel/resource.ts'
import { address, namespace } from './sample.ts'
import {
  add,
  type Case,
  change,
  expectMissing,
  expectThere,
  failureOf,
  type KernelWorld,
  refused,
  remove,
  settledState,
} from './world.ts'

const ip = (text: string) => text as IpAddress
const spoiler = address('none', '10.81.0.1/24')

function resolver(inside: NamespaceRef, changes: Partial<ResolverResource> = {}): ResolverResource {
  return { kind: 'resolver', namespace: inside, sandbox: 'one', ...changes }
}

function names(changes: Partial<NamesResource> = {}): NamesResource {
  return {
    kind: 'names',
    endpoint: 'endpoint-one',
    sandbox: 'one',
    network: { id: 'network-one', name: 'web' },
    names: ['api', 'alias'],
    addresses: [ip('10.77.0.2'), ip('fd77::2')],
    subnets: ['10.77.0.0/24' as Prefix, 'fd77::/64' as Prefix],
    services: [{ protocol: 'tcp', ports: { from: 80, to: 80 } }],
    own: { 'host.internal': [ip('10.77.0.1')] },
    outside: true,
    gateway: true,
    ...changes,
  }
}

function zone(changes: Partial<ZoneResource> = {}): ZoneResource {
  return { kind: 'zone', name: 'cnm.internal', listen: ip('127.0.0.153'), ...changes }
}

function relay(changes: Partial<RelayResource> = {}): RelayResource {
  const listen = { address: ip('::1'), port: 8080 }
  const to = { address: ip('fd77::2'), port: 80 }
  return { kind: 'relay', protocol: 'tcp', listen, to, ...changes }
}

interface Sample {
  readonly before: readonly KeptResource[]
  /** The same keys, with something else in each. */
  readonly after: readonly KeptResource[]
}

/** One of every kind, for a sandbox that is there. */
async function sample(world: KernelWorld): Promise<Sample> {
  const box = namespace(world)
  await add(world, box)
  const servers = [{ address: ip('192.0.2.1'), port: 53 }]
  return {
    before: [resolver(box.namespace), names(), zone(), relay()],
    after: [
      resolver(box.namespace, { servers, ndots: true }),
      names({ names: ['api', 'other'], addresses: [ip('10.77.0.3')], outside: false }),
      zone({ listen: ip('127.0.0.154') }),
      relay({ to: { address: ip('fd77::3'), port: 81 } }),
    ],
  }
}

/** What the keeper holds. */
export function keptCases(test: Case): void {
  test('what is kept comes and goes', async (world) => {
    const { before } = await sample(world)
    const state = await settledState(world)
    await expectMissing(world, ...before)
    await add(world, ...before)
    await add(world, ...before)
    await expectThere(world, ...before)
    await remove(world, ...before)
    await remove(world, ...before)
    await expectMissing(world, ...before)
    expect(await settledState(world)).toEqual(state)
    await add(world, ...before)
    await expectThere(world, ...before)
  })

  test('what is kept is changed, by a change or as a repair', async (world) => {
    const { before, after } = await sample(world)
    await add(world, ...before)
    const differences = await world.kernel.compare(after)
    expect(differences.map(({ resource, state }) => [resourceKey(resource), state])).toEqual(
      after.map((each) => [resourceKey(each), 'different']),
    )
    await world.kernel.apply(change({ remove: before, add: after }))
    await expectThere(world, ...after)
    await add(world, ...before)
    await expectThere(world, ...before)
  })

  test('a difference says what is, and what should be', async (world) => {
    const { before, after } = await sample(world)
    await add(world, ...before)
    const details = (await world.kernel.compare(after)).map(({ detail }) => detail)
    expect(details[0]).toMatch(/192\.0\.2\.1/)
    expect(details[1]).toMatch(/alias.*other/)
    expect(details[2]).toMatch(/127\.0\.0\.153.*127\.0\.0\.154/)
    expect(details[3]).toMatch(/fd77::2.*fd77::3/)
  })

  test('what is kept stays as it was if its change fails', async (world) => {
    const { before, after } = await sample(world)
    await refused(world, { add: [...before, spoiler] })
    await expectMissing(world, ...before)
    await add(world, ...before)
    await refused(world, { remove: before, add: [spoiler] })
    await expectThere(world, ...before)
    await refused(world, { remove: before, add: [...after, spoiler] })
    await expectThere(world, ...before)
  })

  test('a resolver is kept in a foreign namespace, as long as that is there', async (world) => {
    const path = await world.others.addNamespace()
    const { namespace: inside } = await world.kernel.adopt({ path })
    const state = await settledState(world)
    await add(world, resolver(inside), names())
    await expectThere(world, resolver(inside), names())
    await remove(world, resolver(inside), names())
    expect(await settledState(world)).toEqual(state)
    await add(world, resolver(inside))
    await world.others.removeNamespace(path)
    await remove(world, resolver(inside))
    await expectMissing(world, resolver(inside))
  })

  test('a resolver needs its sandbox', async (world) => {
    const lost = resolver(namespace(world, 'none').namespace)
    const failure = await refused(world, { add: [names(), lost] })
    expect(failure).toMatchObject({ key: resourceKey(lost), code: 'NAMESPACE_NOT_FOUND' })
    await expectMissing(world, names())
  })
}

export function keptFaultCases(test: Case): void {
  test('what is kept is as it was, at whatever step a change fails', async (world) => {
    const { before, after } = await sample(world)
    const other = namespace(world, 'other')
    const more = [other, resolver(other.namespace, { sandbox: 'two' })]
    const relays = [relay(), relay({ protocol: 'udp' })]
    const [first, second] = relays as [RelayResource, RelayResource]
    const ours = [...before.filter(({ kind }) => kind !== 'relay'), first]
    const wanted = [...after.filter(({ kind }) => kind === 'names'), second]
    const kept = new Set(wanted.map(resourceKey))
    const going = ours.filter((each) => each.kind !== 'zone')
    await add(world, ...ours)
    let failures = 0
    for (;;) {
      await world.faults!.failAt(failures + 1)
      const outcome = world.kernel.apply(change({ remove: going, add: [...wanted, ...more] }))
      const error = await outcome.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      await world.faults!.failAt(Number.POSITIVE_INFINITY)
      if (error === undefined) break
      failures += 1
      expect(await failureOf(Promise.reject(error))).toMatchObject({ code: 'EIO' })
      await expectThere(world, ...ours)
      await expectMissing(world, second, ...more)
    }
    expect(failures).toBeGreaterThan(3)
    await expectThere(world, ...wanted, ...more)
    await expectMissing(world, ...going.filter((each) => !kept.has(resourceKey(each))))
  })
}

export function reopenedCases(test: Case): void {
  test('what is kept goes on, and the next kernel can change it', async (world) => {
    const { before, after } = await sample(world)
    await add(world, ...before)
    const kernel = await world.reopen!()
    expect(await kernel.compare(before)).toEqual([])
    await kernel.apply(change({ remove: before, add: after }))
    expect(await kernel.compare(after)).toEqual([])
    await kernel.apply(change({ remove: after }))
    const left = await kernel.compare(after)
    expect(left.map(({ state }) => state)).toEqual(after.map(() => 'missing'))
  })
}
