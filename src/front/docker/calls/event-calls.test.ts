import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DockerApiRig } from '../../../../test/support/docker-api-rig.ts'

let rig: DockerApiRig

beforeEach(async () => {
  rig = await DockerApiRig.start()
})

afterEach(async () => {
  await rig[Symbol.asyncDispose]()
})

interface Event {
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes: Record<string, string> }
}

/** All that has happened, without the networks that are always there. */
async function past(filters: object = {}): Promise<Event[]> {
  const query = encodeURIComponent(JSON.stringify(filters))
  const { body } = await rig.ask('GET', `/events?since=0&until=0&filters=${query}`)
  const events: Event[] = Array.isArray(body) ? body : [body]
  return events.filter(({ Actor }) => !['bridge', 'host', 'none'].includes(Actor.Attributes.name!))
}

const summary = (events: readonly Event[]) =>
  events.map(({ Action, Actor: { Attributes } }) => `${Action} ${Attributes.name ?? ''}`.trim())

async function story(): Promise<void> {
  await rig.create({ Name: 'web' })
  await rig.cnm.createSandbox({ name: 'c1' })
  await rig.ask('POST', '/networks/web/connect', { Container: 'c1' })
  await rig.ask('POST', '/networks/web/disconnect', { Container: 'c1' })
  await rig.create({ Name: 'queue' })
  await rig.ask('DELETE', '/networks/web')
  await rig.ask('POST', '/networks/prune')
}

describe('events', () => {
  it('tell what happened to networks, in order', async () => {
    await story()
    const events = await past()
    expect(summary(events)).toEqual([
      'create web',
      'connect web',
      'disconnect web',
      'create queue',
      'destroy web',
      'destroy queue',
      'prune',
    ])
    const [created, connected] = events
    const { ID } = created!.Actor
    expect(created).toEqual({
      Type: 'network',
      Action: 'create',
      Actor: { ID, Attributes: { name: 'web', type: 'bridge' } },
      scope: 'local',
      time: expect.any(Number),
      timeNano: expect.any(Number),
    })
    const container = rig.cnm.now.sandbox('c1').id
    expect(connected!.Actor).toEqual({
      ID,
      Attributes: { container, name: 'web', type: 'bridge' },
    })
    expect(events.at(-1)!.Actor).toEqual({ ID: '', Attributes: { reclaimed: '0' } })
  })

  it('also of sandboxes that go with their endpoints, and of those of an earlier daemon', async () => {
    await rig.create({ Name: 'web' })
    const made = await rig.cnm.createSandbox({ name: 'c1', connect: [{ network: 'web' }] })
    await rig.restart()
    await rig.cnm.sandbox('c1').delete()
    const [event] = await past()
    expect(event).toMatchObject({
      Action: 'disconnect',
      Actor: { Attributes: { container: made.id, name: 'web', type: 'bridge' } },
    })
  })

  it.each<[object, string[]]>([
    [{ type: ['network'], event: ['create'] }, ['create web', 'create queue']],
    [{ network: ['web'], event: ['create', 'destroy'] }, ['create web', 'destroy web']],
    [{ network: ['qu'] }, ['create queue', 'destroy queue']],
    [{ type: ['container'] }, []],
    [{ scope: ['swarm'] }, []],
    [{ label: ['type=bridge', 'name=queue'] }, ['create queue', 'destroy queue']],
  ])('are chosen by the filters %j', async (filters, expected) => {
    await story()
    expect(summary(await past(filters))).toEqual(expected)
  })

  it('come as they happen', async () => {
    const until = Math.floor(Date.now() / 1000) + 3600
    const stream = rig.ask('GET', `/events?until=${until}`)
    await rig.ask('GET', '/_ping')
    await rig.create({ Name: 'web' })
    await rig.api.close()
    const { body } = await stream
    const events: Event[] = Array.isArray(body) ? body : [body]
    expect(summary(events)).toContain('create web')
  })

  it('end by themselves when the time comes', async () => {
    // Nothing may be made meanwhile: the time may have come already when the daemon is asked.
    const until = Math.ceil(Date.now() / 1000)
    expect((await rig.ask('GET', `/events?until=${until}`)).status).toBe(200)
    expect(Date.now()).toBeGreaterThan(until * 1000 - 10)
  })

  it('end with the daemon', async () => {
    const stream = rig.ask('GET', '/events')
    await rig.ask('GET', '/_ping')
    await rig.api.close()
    expect((await stream).status).toBe(200)
  })

  it('are refused without sense', async () => {
    expect((await rig.ask('GET', '/events?since=zz')).status).toBe(400)
    expect((await rig.ask('GET', '/events?since=5&until=4')).status).toBe(400)
    expect((await rig.ask('GET', '/events?filters=%7B')).status).toBe(400)
  })
})

describe('prune', () => {
  const prune = async (filters: object) => {
    const query = encodeURIComponent(JSON.stringify(filters))
    return rig.ask('POST', `/networks/prune?filters=${query}`)
  }

  it.each<[object, string[] | null]>([
    [{}, ['plain', 'web']],
    [{ label: ['env=dev'] }, ['web']],
    [{ 'label!': ['env'] }, ['plain']],
    [{ label: ['zz'] }, null],
    [{ until: ['1h'] }, null],
    [{ until: ['2001-01-01T00:00:00Z'] }, null],
    [{ until: ['32503680000'] }, ['plain', 'web']],
    [{ until: ['-10m'] }, ['plain', 'web']],
  ])('with %j deletes what is not used', async (filters, expected) => {
    await rig.create({ Name: 'web', Labels: { env: 'dev' } })
    await rig.create({ Name: 'plain' })
    await rig.create({ Name: 'used' })
    await rig.cnm.createSandbox({ connect: [{ network: 'used' }] })
    const { status, body } = await prune(filters)
    expect(status).toBe(200)
    expect(body.NetworksDeleted?.sort() ?? null).toEqual(expected)
    const left = ['bridge', 'host', 'none', 'plain', 'used', 'web']
    expect(await rig.names({})).toEqual(left.filter((name) => !expected?.includes(name)))
  })

  it.each<[object, string]>([
    [{ bad: ['x'] }, "invalid filter 'bad'"],
    [{ until: ['zz'] }, 'failed to parse value as time or duration: "zz"'],
    [{ until: ['1', '2'] }, 'more than one until filter specified'],
  ])('with %j is refused', async (filters, message) => {
    expect(await prune(filters)).toMatchObject({ status: 400, body: { message } })
  })

  it('goes on past a network that another caller deletes meanwhile', async () => {
    await rig.create({ Name: 'gone' })
    await rig.create({ Name: 'web' })
    const seen = rig.cnm.now.networks()
    await rig.cnm.network('gone').delete()
    vi.spyOn(rig.cnm.now, 'networks').mockReturnValueOnce(seen)
    expect(await prune({})).toMatchObject({ status: 200, body: { NetworksDeleted: ['web'] } })
  })

  it('is done by one at a time', async () => {
    await rig.create({ Name: 'web' })
    const both = await Promise.all([prune({}), prune({})])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
  })
})
