import { describe, expect, it } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { type Route, statusOf } from '../api/route.ts'
import { type RouteName, routes } from '../api/routes.ts'
import { parser } from '../base/parse.ts'

/** A story in which each route of the table is asked once, at least. */
const story: readonly (readonly [RouteName, path: string, body?: unknown])[] = [
  ['createNetwork', '/v1/networks', { name: 'web', subnets: ['10.7.0.0/24'], labels: { a: 'b' } }],
  ['createNetwork', '/v1/networks?ensure=true', { name: 'web' }],
  ['createNetwork', '/v1/networks', { name: 'idle' }],
  ['listNetworks', '/v1/networks'],
  ['inspectNetwork', '/v1/networks/web'],
  ['createSandbox', '/v1/sandboxes', { name: 'box', connect: [{ network: 'idle' }] }],
  ['createSandbox', '/v1/sandboxes', { name: 'short', ephemeral: true, program: process.pid }],
  ['bindProgram', '/v1/sandboxes/short/program', { pid: process.pid }],
  ['listSandboxes', '/v1/sandboxes'],
  ['inspectSandbox', '/v1/sandboxes/box'],
  ['connectSandbox', '/v1/sandboxes/short/connect', { network: 'web', publish: ['8080:80'] }],
  ['createEndpoint', '/v1/networks/web/endpoints', { name: 'e', gwPriority: 9 }],
  ['listEndpoints', '/v1/endpoints'],
  ['listEndpoints', '/v1/endpoints?network=web&sandbox=short'],
  ['listEndpointsOf', '/v1/networks/web/endpoints'],
  ['inspectEndpoint', '/v1/endpoints/ID'],
  ['updateEndpoint', '/v1/endpoints/ID', { rate: { toSandbox: '1mbit' } }],
  ['joinSandbox', '/v1/endpoints/ID/join', { sandbox: 'box' }],
  ['publishPorts', '/v1/endpoints/ID/publish', { ports: ['9090:90', { ports: 91 }] }],
  ['unpublishPorts', '/v1/endpoints/ID/unpublish', { ports: ['9090:90'] }],
  ['leaveSandbox', '/v1/endpoints/ID/leave'],
  ['deleteEndpoint', '/v1/endpoints/ID'],
  ['status', '/v1/status'],
  ['statistics', '/v1/statistics'],
  ['listPlugins', '/v1/plugins'],
  ['doctor', '/v1/doctor', { fix: true }],
  ['deleteNetwork', '/v1/networks/idle?force=true'],
  ['pruneNetworks', '/v1/networks/prune'],
  ['deleteSandbox', '/v1/sandboxes/box'],
  ['down', '/v1/down'],
]

/** They are in tests of their own. */
const elsewhere: readonly RouteName[] = ['events', 'queries', 'execInSandbox', 'inspectPlugin']

describe('the routes', () => {
  it('answer as the table says, in status and shape', async () => {
    await using rig = await DaemonRig.start()
    let id = ''
    for (const [name, path, body] of story) {
      const route: Route = routes[name]
      const answer = await rig.ask(`${route.method} ${path.replace('ID', id)}`, { body })
      expect([name, answer.body, answer.status]).toEqual([name, answer.body, statusOf(route)])
      if (route.answer === undefined) expect(answer.body).toBe('')
      else parser(route.answer, name)(answer.body)
      if (name === 'createEndpoint') id = (answer.body as { id: string }).id
    }
    expect((await rig.controller.networks()).map(({ name }) => name)).toEqual(['host', 'none'])
    expect(await rig.controller.sandboxes()).toEqual([])
  })

  it('tell neither labels nor options of networks that were not given', async () => {
    await using rig = await DaemonRig.start()
    const labels = { a: 'b', 'libcnm.docker': '{}' }
    const made = await rig.ask('POST /v1/networks', { body: { name: 'web', labels } })
    const seen = await rig.ask('GET /v1/networks/web')
    const listed = (await rig.ask('GET /v1/networks')).body as readonly { name: string }[]
    for (const body of [made.body, seen.body, listed.find(({ name }) => name === 'web')]) {
      expect(body).toMatchObject({ name: 'web', labels: { a: 'b' }, options: { icc: true } })
      expect(body).not.toHaveProperty(['labels', 'libcnm.docker'])
      expect(body).not.toHaveProperty('options.own')
    }
  })

  it('are all asked', () => {
    const asked = new Set([...story.map(([name]) => name), ...elsewhere])
    expect([...asked].sort()).toEqual(Object.keys(routes).sort())
  })
})

it('answers what was asked for', async () => {
  await using rig = await DaemonRig.start()
  await rig.ask('POST /v1/networks', { body: { name: 'web', subnets: ['10.7.0.0/24'] } })
  await rig.ask('POST /v1/networks', { body: { name: 'db' } })
  for (const [name, network] of [
    ['a', 'web'],
    ['b', 'db'],
  ]) {
    await rig.ask('POST /v1/sandboxes', { body: { name, connect: [{ network }] } })
  }
  const names = async (query: string) => {
    const { body } = await rig.ask(`GET /v1/endpoints${query}`)
    return (body as { name: string }[]).map(({ name }) => name)
  }
  expect(await names('')).toEqual(['a', 'b'])
  expect(await names('?network=web')).toEqual(['a'])
  expect(await names('?sandbox=b')).toEqual(['b'])
  expect(await names('?sandbox=b&network=web')).toEqual([])
  const { body } = await rig.ask('GET /v1/endpoints?sandbox=a')
  expect(body).toMatchObject([{ ipv4: '10.7.0.2', dns: 'ready', ports: [] }])
  expect((await rig.ask('GET /v1/status')).body).toMatchObject({
    version: '1.2.3',
    pid: process.pid,
    instance: rig.controller.instance,
    networks: 4,
    endpoints: 2,
    sandboxes: 2,
    sequence: rig.controller.sequence,
  })
})

it('finds things by the beginning of an id, and names with any characters in the address', async () => {
  await using rig = await DaemonRig.start()
  const { body } = await rig.ask('POST /v1/networks', { body: { name: 'a.b-c_d' } })
  const { id } = body as { id: string }
  for (const text of ['a.b-c_d', '%61.b-c_d', id, id.slice(0, 12)]) {
    expect((await rig.ask(`GET /v1/networks/${text}`)).body).toMatchObject({ id })
  }
  for (const text of ['..', '%2e%2e%2f%2e%2e%2fetc', '%00', 'x'.repeat(5000), '%E2%82%AC']) {
    expect((await rig.ask(`GET /v1/networks/${text}`)).body).toMatchObject({ kind: 'not-found' })
  }
})

it('logs who has changed what, how it ended and why, and nothing else of what was sent', async () => {
  await using rig = await DaemonRig.start({ peerOf: () => ({ pid: 12, uid: 34 }) })
  const subnets = [{ subnet: '10.7.0.0/24' }]
  const web = { name: 'web', subnets, labels: { token: 'secret' } }
  const { body: network } = await rig.ask('POST /v1/networks', { body: web })
  await rig.ask('GET /v1/networks/web?x=secret')
  const connect = [{ network: 'web', publish: ['8080:80'] }]
  const { body: box } = await rig.ask('POST /v1/sandboxes', { body: { name: 'box', connect } })
  await rig.ask('POST /v1/sandboxes/gone/program', { body: { pid: 1 } })
  await rig.ask('DELETE /v1/networks/nope')
  await rig.ask('DELETE /v1/networks/web')
  const [{ id: endpointId }] = (await rig.ask('GET /v1/endpoints')).body as [{ id: string }]
  await rig.ask(`DELETE /v1/endpoints/${endpointId.slice(0, 12)}`)
  await rig.ask('DELETE /v1/networks/web')
  const read = () => rig.logged.map(({ level, facts, message }) => ({ level, message, ...facts }))
  // The line comes after the answer.
  await expect.poll(() => read().filter(({ level }) => level === 'info').length).toBe(6)
  const lines = read()
  const { id: networkId } = network as { id: string }
  const { id: sandboxId } = box as { id: string }
  const changes = lines.filter(({ level }) => level === 'info')
  expect(changes).toMatchObject([
    {
      message: 'create network',
      code: 'ok',
      id: networkId,
      name: 'web',
      asked: { name: 'web', subnets: '10.7.0.0/24' },
      pid: 12,
      uid: 34,
    },
    { message: 'create sandbox', id: sandboxId, asked: { name: 'box', connect: 'web' } },
    {
      message: 'delete network',
      code: 'NETWORK_NOT_FOUND',
      network: 'nope',
      error: 'there is no network "nope"',
    },
    {
      message: 'delete network',
      code: 'NETWORK_IN_USE',
      network: 'web',
      networkId,
      error: expect.stringContaining('network "web" has'),
    },
    { message: 'delete endpoint', code: 'ok', endpointId, network: 'web' },
    { message: 'delete network', code: 'ok', network: 'web', networkId, ms: expect.any(Number) },
  ])
  expect(lines).toContainEqual(
    expect.objectContaining({
      level: 'debug',
      message: 'bind program',
      code: 'SANDBOX_NOT_FOUND',
      sandbox: 'gone',
    }),
  )
  expect(JSON.stringify(lines)).not.toContain('secret')
})

it('tells Prometheus what there is and what was done', async () => {
  await using rig = await DaemonRig.start()
  await rig.ask('POST /v1/networks', { body: { name: 'web' } })
  await rig.ask('POST /v1/networks', { body: { name: 'web' } })
  const { body, headers } = await rig.ask('GET /metrics')
  expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  for (const line of [
    'cnm_networks 3',
    'cnm_sandboxes 0',
    'cnm_events_total 1',
    'cnm_info{version="1.2.3"} 1',
    'cnm_operation_duration_seconds_count{route="createNetwork",code="ok"} 1',
    'cnm_operation_duration_seconds_count{route="createNetwork",code="NETWORK_EXISTS"} 1',
    /^nodejs_eventloop_lag_seconds /m,
    /^process_resident_memory_bytes /m,
  ]) {
    expect(body).toMatch(typeof line === 'string' ? `\n${line}\n` : line)
  }
})
