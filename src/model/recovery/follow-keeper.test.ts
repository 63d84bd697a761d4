import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { KernelError } from '../../base/errors.ts'
import { EventStreams } from '../../base/event-streams.ts'
import { isKept } from '../../kernel/kept-resource.ts'
import type { KernelEvent, QueryEvent, ResolverCounters } from '../../kernel/kernel.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import type { Resource } from '../../kernel/resource.ts'

/** A machine whose keeper tells what a test wants it to, and forgets everything when it is told to. */
class KeptRig extends MemoryRig {
  readonly told: EventStreams<KernelEvent>
  readonly asked: EventStreams<QueryEvent>

  constructor() {
    const told = new EventStreams<KernelEvent>()
    const asked = new EventStreams<QueryEvent>()
    super({
      ...memoryKernel(),
      events: (signal) => told.open(signal),
      queries: (signal) => asked.open(signal),
    })
    this.told = told
    this.asked = asked
  }

  tell(...events: KernelEvent[]): void {
    this.told.publish(events)
  }

  async forget(): Promise<void> {
    const { kept = [] } = await this.kernel.survey({ namespaceDir: '/run/cnm/netns', tables: [] })
    await this.kernel.apply({ remove: kept as Resource[], add: [] })
  }
}

const counters: ResolverCounters = {
  asked: 3,
  answered: { local: 2, cache: 0, upstream: 1, stale: 0, refused: 0, failed: 0, malformed: 0 },
  latency: { limitsMs: [1], counts: [2, 1] },
}

async function connected(rig: KeptRig) {
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  const box = await cnm.createSandbox({ name: 'api', connect: [{ network: 'web' }] })
  return { cnm, box, endpoint: (await box.endpoints())[0]! }
}

it('says of an endpoint whether its names are known everywhere', async () => {
  const rig = new KeptRig()
  const { cnm, endpoint } = await connected(rig)
  await using _ = cnm
  const dns = async () => (await endpoint.inspect()).dns
  expect(await dns()).toBe('ready')
  rig.tell({ type: 'names', change: 'late', endpoint: endpoint.id })
  await expect.poll(dns).toBe('degraded')
  rig.tell({ type: 'names', change: 'known', endpoint: endpoint.id })
  await expect.poll(dns).toBe('ready')
})

it('says what a resolver has done', async () => {
  const rig = new KeptRig()
  const { cnm, box } = await connected(rig)
  await using _ = cnm
  expect((await box.inspect()).names).toEqual({})
  rig.tell({ type: 'counters', sandbox: 'another engine’s', counters })
  rig.tell({ type: 'counters', sandbox: box.id, counters })
  await expect.poll(async () => (await box.inspect()).names).toEqual({ counters })
})

it('tells each query with the name of its sandbox, from the call on', async () => {
  const rig = new KeptRig()
  const { cnm, box } = await connected(rig)
  await using _ = cnm
  const query = (sandbox: string): QueryEvent => ({
    ...{ time: new Date(0).toISOString(), sandbox, name: 'web.', type: 'A', source: 'local' },
    ...{ code: 'NOERROR', durationMs: 0.1, transport: 'udp', skipped: 0 },
  })
  const abort = new AbortController()
  const queries = await cnm.queries({ signal: abort.signal })
  const [known, gone] = [query(box.id), query('0123456789abcdef')]
  rig.asked.publish([known, gone])
  const seen: unknown[] = []
  for await (const each of queries) if (seen.push(each) === 2) abort.abort()
  expect(seen).toEqual([
    { ...known, sandboxName: 'api' },
    { ...gone, sandboxName: '0123456789ab' },
  ])
})

it('gives a new keeper all that the one before it had, and tells that once', async () => {
  const rig = new KeptRig()
  const { cnm, endpoint } = await connected(rig)
  await using _ = cnm
  const before = rig.kernel.lines()
  for (let times = 1; times <= 2; times += 1) {
    await rig.forget()
    rig.tell({ type: 'keeper', change: 'lost' }, { type: 'keeper', change: 'lost' })
    await expect.poll(async () => (await endpoint.inspect()).dns).toBe('degraded')
    expect(rig.kernel.lines()).not.toEqual(before)
    rig.tell({ type: 'keeper', change: 'back' })
    await expect.poll(async () => (await endpoint.inspect()).dns).toBe('ready')
    expect(rig.kernel.lines()).toEqual(before)
    expect(rig.problems.map(String)).toEqual(
      Array(times).fill(expect.stringContaining('the keeper has ended')),
    )
  }
})

it('says so until a keeper has all, and not one that has ended meanwhile', async () => {
  const rig = new KeptRig()
  const { cnm, endpoint } = await connected(rig)
  await using _ = cnm
  const dns = async () => (await endpoint.inspect()).dns
  const { compare } = rig.kernel
  const goOn: (() => void)[] = []
  rig.kernel.compare = async (resources) => {
    await new Promise<void>((resolve) => goOn.push(resolve))
    return compare(resources)
  }
  rig.tell({ type: 'keeper', change: 'lost' }, { type: 'keeper', change: 'back' })
  await expect.poll(() => goOn.length).toBe(1)
  rig.tell({ type: 'keeper', change: 'lost' }, { type: 'keeper', change: 'back' })
  // Both are heard of while the first keeper is still given what it had.
  await turn()
  goOn[0]!()
  await expect.poll(() => goOn.length).toBe(2)
  const meanwhile = await dns()
  goOn[1]!()
  await expect.poll(dns).toBe('ready')
  expect(meanwhile).toBe('degraded')
  expect(rig.problems).toHaveLength(1)
})

it('says of what is late in the new keeper as well that it is', async () => {
  const rig = new KeptRig()
  const { cnm, box, endpoint } = await connected(rig)
  await using _ = cnm
  const other = await box.connect(await cnm.createNetwork({ name: 'other' }))
  const dns = () => Promise.all([endpoint, other].map(async (each) => (await each.inspect()).dns))
  const tell = (change: 'late' | 'known', ...endpoints: readonly { readonly id: string }[]) =>
    rig.tell(...endpoints.map(({ id }) => ({ type: 'names' as const, change, endpoint: id })))
  tell('late', endpoint, other)
  await expect.poll(dns).toEqual(['degraded', 'degraded'])
  const { compare } = rig.kernel
  rig.kernel.compare = async (resources) => {
    tell('late', other)
    await turn()
    return compare(resources)
  }
  rig.tell({ type: 'keeper', change: 'lost' }, { type: 'keeper', change: 'back' })
  await expect.poll(dns).toEqual(['ready', 'degraded'])
  tell('known', other)
  await expect.poll(dns).toEqual(['ready', 'ready'])
})

it('gives it the rest where something can’t be kept any more', async () => {
  const rig = new KeptRig()
  rig.kernel.addNamespace('/run/netns/theirs')
  const { cnm, box, endpoint } = await connected(rig)
  await using _ = cnm
  await cnm.createSandbox({ name: 'theirs', netns: '/run/netns/theirs' })
  const theirs = '# resolver in /run/netns/theirs'
  const expected = rig.kernel.lines().filter((line) => line.startsWith('# ') && line !== theirs)
  await rig.forget()
  rig.tell({ type: 'keeper', change: 'lost' })
  await expect.poll(async () => (await endpoint.inspect()).dns).toBe('degraded')
  const apply = rig.kernel.apply
  let refused = 0
  rig.kernel.apply = async (change) => {
    if (change.add.some((each) => each.kind === 'resolver' && each.sandbox !== box.id)) {
      refused += 1
      throw new Error('its namespace is gone')
    }
    await apply(change)
  }
  rig.tell({ type: 'keeper', change: 'back' })
  await expect.poll(async () => (await endpoint.inspect()).dns).toBe('ready')
  expect(refused).toBeGreaterThan(1)
  expect(rig.kernel.lines().filter((line) => line.startsWith('# '))).toEqual(expected)
  expect(rig.problems.map(String).at(-1)).toContain('sandbox "theirs" can\'t be brought back')
})

it('leaves an address to its holder, and doctor says so', async () => {
  const rig = new MemoryRig()
  const { apply, compare } = rig.kernel
  // A kernel that is a thread of its own answers with copies.
  rig.kernel.compare = async (resources) => structuredClone(await compare(resources))
  rig.kernel.apply = (change) =>
    apply({ ...change, add: change.add.filter(({ kind }) => kind !== 'zone') })
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  for (const fix of [false, true, true]) {
    expect(await cnm.doctor({ fix })).toEqual([
      { kind: 'missing', detail: expect.stringContaining('127.0.0.153'), mended: false },
    ])
  }
  rig.kernel.apply = apply
  expect(await cnm.doctor({ fix: true })).toEqual([
    { kind: 'missing', detail: expect.stringContaining('127.0.0.153'), mended: true },
  ])
  expect(await cnm.doctor()).toEqual([])
})

it('shows what the keeper has without an owner, and takes it away', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await first.createNetwork({ name: 'web' })
  const box = await first.createSandbox({ name: 'api', connect: [{ network: 'web' }] })
  const endpoint = (await box.endpoints())[0]!.id
  const { kept = [] } = await rig.kernel.survey({ namespaceDir: '/run/cnm/netns', tables: [] })
  const names = kept.find(({ kind }) => kind === 'names')!
  await box.delete()
  await rig.kernel.apply({ remove: [], add: [{ ...names, endpoint } as Resource] })
  const orphan = 'names api, '
  expect(await first.doctor()).toEqual([
    { kind: 'orphan', detail: expect.stringContaining(orphan), mended: false },
  ])
  await first.close()
  // They would lead to the next holder of that address.
  await using second = await rig.start()
  expect(rig.kernel.lines().join('\n')).not.toContain('# names of')
  expect(await second.doctor()).toEqual([])
})

it('has all mended but what is kept, where no keeper can be started', async () => {
  const rig = new KeptRig()
  const { apply, compare, restoreKeeper } = rig.kernel
  rig.kernel.compare = async (resources) => structuredClone(await compare(resources))
  const { cnm } = await connected(rig)
  await using _ = cnm
  await rig.forget()
  rig.kernel.writeSysctl('net/ipv4/conf/uplink/forwarding', '0')
  rig.kernel.apply = (change) =>
    apply({ ...change, add: change.add.filter((each) => !isKept(each)) })
  rig.kernel.restoreKeeper = async () => {
    throw new KernelError('execve', 'ENOMEM', {})
  }
  const findings = await cnm.doctor({ fix: true })
  const mended = findings.filter((finding) => finding.mended).map(({ detail }) => detail)
  expect(mended).toEqual([expect.stringContaining('net/ipv4/conf/uplink/forwarding')])
  expect(findings).toContainEqual({
    kind: 'lost',
    detail: expect.stringMatching(/^the keeper can't be brought back: .*ENOMEM/),
    mended: false,
  })
  expect(findings.filter(({ kind }) => kind === 'missing').length).toBeGreaterThan(1)
  Object.assign(rig.kernel, { apply, restoreKeeper })
  await cnm.doctor({ fix: true })
  expect(await cnm.doctor()).toEqual([])
})
