import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseAddress, parsePrefix } from '../../address/address.ts'
import { Plugins } from '../../plugin/plugins.ts'
import type { EndpointSpec, NetworkSpec } from '../driver.ts'
import { remote } from './remote.ts'

let folder: string
let server: Server
const asked: string[] = []
let capabilities: unknown = null

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plugin-'))
  asked.length = 0
  server = createServer((request, response) => {
    const method = request.url!.replace(/.*\./, '')
    asked.push(method)
    const activated = method === 'Activate' ? { Implements: ['NetworkDriver'] } : null
    request.resume()
    response.end(JSON.stringify(method === 'GetCapabilities' ? capabilities : activated))
  })
  await new Promise<void>((done) => server.listen(join(folder, 'terse.sock'), done))
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  await rm(folder, { recursive: true, force: true })
})

const network = {
  id: 'n1',
  name: 'web',
  internal: false,
  ipv4: { subnet: parsePrefix('10.7.0.0/24') },
  options: {},
} as unknown as NetworkSpec

const endpoint = {
  id: 'e1',
  name: 'box',
  ipv4: parseAddress('10.7.0.2'),
  linkLocal: [],
  ports: [],
  links: [],
} as unknown as EndpointSpec

// libnetwork's own test driver and moby's dummy answer so.
it.each([
  ['null throughout', null],
  ['that its networks span hosts', { Scope: 'global' }],
])('a plugin that answers %s is asked for what one host needs', async (_, answer) => {
  capabilities = answer
  const plugins = new Plugins({ folders: { sockets: [folder] } })
  const hooks = remote(plugins.get('terse')).hooks!
  await hooks.open()
  expect(await hooks.withoutGateway({})).toEqual([])
  await hooks.createNetwork(network)
  expect(await hooks.createEndpoint(network, endpoint)).toEqual({})
  expect(await hooks.join(network, endpoint, '/run/netns/box')).toEqual({ routes: [] })
  await hooks.publish(network, endpoint)
  expect(await hooks.operInfo(network, endpoint)).toEqual({})
  await hooks.unpublish(network, endpoint)
  await hooks.leave(network, endpoint)
  await hooks.deleteEndpoint(network, endpoint)
  await hooks.deleteNetwork(network)
  expect(asked.filter((method) => method !== 'GetCapabilities')).toEqual([
    'Activate',
    'CreateNetwork',
    'CreateEndpoint',
    'Join',
    'ProgramExternalConnectivity',
    'EndpointOperInfo',
    'RevokeExternalConnectivity',
    'Leave',
    'DeleteEndpoint',
    'DeleteNetwork',
  ])
})
