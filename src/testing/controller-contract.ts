import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Controller, Sandbox } from '../api/controller.ts'
import type { CnmEvent } from '../api/reports.ts'

/** An engine on the kernel in memory, with the built-in drivers and no networks but the predefined ones. */
export interface ControllerWorld extends AsyncDisposable {
  readonly controller: Controller
}

/**
 * What every controller must do, whether its engine is in this process or at the other end of a socket, as tests. To
 * be called at the top level of a vitest file.
 */
export function controllerContract(name: string, open: () => Promise<ControllerWorld>): void {
  describe(`${name} keeps the contract of controllers`, () => {
    let world: ControllerWorld
    beforeEach(async () => {
      world = await open()
    })
    afterEach(async () => {
      await world[Symbol.asyncDispose]()
    })
    const cnm = () => world.controller
    describe('a handle', () => handleCases(cnm))
    describe('an answer', () => answerCases(cnm))
    describe('events', () => eventCases(cnm))
    describe('a call', () => callCases(cnm))
  })
}

type Cnm = () => Controller

function handleCases(cnm: Cnm): void {
  it('asks nothing when it is made; its verbs say what there is not', async () => {
    const [network, sandbox] = [cnm().network('nope'), cnm().sandbox('')]
    expect([network.ref, sandbox.ref]).toEqual(['nope', ''])
    const missing = { code: 'NETWORK_NOT_FOUND', details: { network: 'nope' } }
    await expect(network.inspect()).rejects.toMatchObject(missing)
    await expect(network.endpoints()).rejects.toMatchObject(missing)
    await expect(network.delete()).rejects.toMatchObject(missing)
    await expect(network.createEndpoint({ name: 'a' })).rejects.toMatchObject(missing)
    await expect(sandbox.exec(['true'])).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    const endpoint = cnm().endpoint('0'.repeat(64))
    await expect(endpoint.leave()).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' })
  })

  it('may be made before what it names', async () => {
    const handle = cnm().network('later')
    const made = await cnm().createNetwork({ name: 'later' })
    expect(await handle.inspect()).toEqual(made.info)
  })

  it('by a name means whatever is called so; a known one the one that it was', async () => {
    const handle = cnm().network('web')
    const first = await cnm().createNetwork({ name: 'web' })
    await first.delete()
    const second = await cnm().createNetwork({ name: 'web', internal: true })
    expect(await handle.inspect()).toMatchObject({ id: second.id, internal: true })
    await expect(first.inspect()).rejects.toMatchObject({ code: 'NETWORK_NOT_FOUND' })
    await expect(first.endpoints()).rejects.toMatchObject({ code: 'NETWORK_NOT_FOUND' })
    expect(first.info).toMatchObject({ id: first.id, internal: false })
    await handle.delete()
    await expect(second.inspect()).rejects.toMatchObject({ code: 'NETWORK_NOT_FOUND' })
  })

  it('may be made with an id, or its beginning', async () => {
    const { id } = await cnm().createSandbox({ name: 'api' })
    for (const ref of [id, id.slice(0, 20)]) {
      expect(await cnm().sandbox(ref).inspect()).toMatchObject({ id, name: 'api' })
    }
  })

  it('and a name will do where it is wanted; something else will not', async () => {
    const web = await cnm().createNetwork({ name: 'web' })
    const api = await cnm().createSandbox({ name: 'api' })
    const db = await web.createEndpoint({ name: 'db' })
    const own = await cnm().sandbox('api').connect('web')
    await own.leave()
    expect(await db.join('api')).toMatchObject({ joined: { sandbox: api.id } })
    expect(await names(cnm().endpoints({ network: 'web', sandbox: api }))).toEqual(['db'])
    for (const wrong of [undefined, 5, db, {}] as never[]) {
      await expect(api.connect(wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(db.join(wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    await expect(api.connect(api as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('that is disposed of twice is gone once', async () => {
    const api = await cnm().createSandbox({ name: 'api' })
    await api[Symbol.asyncDispose]()
    await api[Symbol.asyncDispose]()
    expect(await cnm().sandboxes()).toEqual([])
  })
}

function answerCases(cnm: Cnm): void {
  it('has what is known of it then, which stays as it was', async () => {
    const web = await cnm().createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
    const api = await cnm().createSandbox({ name: 'api' })
    const endpoint = await api.connect(web, { publish: ['8080:80'] })
    expect([endpoint.name, endpoint.info.ipv4]).toEqual(['api', '10.7.0.2'])
    expect(endpoint.info).toMatchObject({ ports: [{ state: 'active' }], network: web.id })
    await endpoint.unpublish(['8080:80'])
    expect(endpoint.info.ports).toHaveLength(1)
    expect(await endpoint.inspect()).toMatchObject({ ports: [] })
    const changed = await endpoint.update({ rate: { toSandbox: '8mbit' } })
    expect(changed).toMatchObject({ rate: { toSandbox: 8_000_000 } })
    expect(await endpoint.inspect()).toEqual(changed)
  })

  it('is the same in lists, which can be narrowed', async () => {
    const [web, back] = await Promise.all(
      ['web', 'back'].map((name) => cnm().createNetwork({ name })),
    )
    const connect = ['web', 'back'].map((network) => ({ network }))
    const both = await cnm().createSandbox({ name: 'both', connect })
    await cnm().createSandbox({ name: 'one', connect: connect.slice(1) })
    expect(await names(cnm().endpoints())).toEqual(['both', 'both', 'one'])
    expect(await names(cnm().endpoints({ network: back! }))).toEqual(['both', 'one'])
    expect(await names(back!.endpoints())).toEqual(['both', 'one'])
    expect(await names(both.endpoints())).toEqual(['both', 'both'])
    const [only, ...others] = await cnm().endpoints({ network: web!, sandbox: 'both' })
    expect([only?.info, others]).toEqual([await only?.inspect(), []])
    const missing = { code: 'SANDBOX_NOT_FOUND' }
    await expect(cnm().endpoints({ sandbox: 'nope' })).rejects.toMatchObject(missing)
  })
}

function eventCases(cnm: Cnm): void {
  it('are told from the call on, with ids and names', async () => {
    const abort = new AbortController()
    await using events = await cnm().events({ signal: abort.signal })
    const web = await cnm().createNetwork({ name: 'web' })
    const api = await cnm().createSandbox({ name: 'api', connect: [{ network: 'web' }] })
    const seen = await first(events, 4)
    expect(seen.map(({ type, action }) => `${type} ${action}`).sort()).toEqual([
      'endpoint create',
      'endpoint join',
      'network create',
      'sandbox create',
    ])
    expect(seen.find(({ action }) => action === 'join')).toMatchObject({
      name: 'api',
      attributes: { network: 'web', networkId: web.id, sandbox: 'api', sandboxId: api.id },
    })
    abort.abort()
    expect(await first(events, 1)).toEqual([])
  })

  it('go on where a program says that it stopped, at the same engine', async () => {
    const events = await cnm().events()
    for (const name of ['a', 'b']) await cnm().createNetwork({ name })
    await events[Symbol.asyncDispose]()
    const since = events.since + 1
    await using rest = await cnm().events({ since, instance: events.instance })
    expect([rest.since, rest.instance]).toEqual([since, events.instance])
    expect((await first(rest, 1)).map(({ name }) => name)).toEqual(['b'])
    const other = cnm().events({ since, instance: 'another' })
    await expect(other).rejects.toMatchObject({ code: 'EVENTS_LOST' })
  })
}

function callCases(cnm: Cnm): void {
  const calls = (signal?: AbortSignal): (() => Promise<unknown>)[] => {
    const options = signal === undefined ? {} : { signal }
    const [network, sandbox] = [cnm().network('host'), cnm().sandbox('api')]
    return [
      () => cnm().createNetwork({ name: 'web', ...options }),
      () => cnm().createSandbox(options),
      () => cnm().networks(options),
      () => cnm().sandboxes(options),
      () => cnm().endpoints(options),
      () => cnm().statistics(options),
      () => cnm().plugins(options),
      () => cnm().doctor(options),
      () => cnm().prune(options),
      () => network.inspect(options),
      () => network.endpoints(options),
      () => sandbox.inspect(options),
      () => sandbox.endpoints(options),
      () => sandbox.connect('host', options),
      () => sandbox.delete(options),
    ]
  }

  it('whose signal has fired does nothing', async () => {
    const api: Sandbox = await cnm().createSandbox({ name: 'api', host: true })
    for (const call of calls(AbortSignal.abort('enough'))) {
      await expect(call(), String(call)).rejects.toMatchObject({ code: 'CANCELLED' })
    }
    expect(await names(cnm().networks())).toEqual(['host', 'none'])
    expect(await api.endpoints()).toEqual([])
  })

  it('of a closed controller is CLOSED, on a handle too', async () => {
    const api = await cnm().createSandbox({ name: 'api' })
    await cnm().close()
    await cnm().close()
    for (const call of [...calls(), () => api.inspect(), () => cnm().events()]) {
      await expect(call(), String(call)).rejects.toMatchObject({ code: 'CLOSED' })
    }
    await api[Symbol.asyncDispose]()
  })
}

async function names(list: Promise<readonly { readonly name: string }[]>): Promise<string[]> {
  return (await list).map(({ name }) => name).sort()
}

/** The next ones; fewer, where they end before. */
async function first(events: AsyncIterable<CnmEvent>, count: number): Promise<CnmEvent[]> {
  const seen: CnmEvent[] = []
  const iterator = events[Symbol.asyncIterator]()
  while (seen.length < count) {
    const { done, value } = await iterator.next()
    if (done) break
    seen.push(value)
  }
  return seen
}
