import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { LocalController } from '../../model/controller.ts'
import { dockerPlugin } from './docker-plugin.ts'

interface Said {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: it is whatever was sent
  readonly body: any
}

/** A dockerd that says just what a test wants, to an engine in memory. */
class Caller implements AsyncDisposable {
  readonly machine = new MemoryRig()
  readonly cnm: LocalController
  readonly #close: () => Promise<void>
  readonly #path: string

  private constructor(
    machine: MemoryRig,
    cnm: LocalController,
    path: string,
    close: () => Promise<void>,
  ) {
    this.machine = machine
    this.cnm = cnm
    this.#path = path
    this.#close = close
  }

  static async start(machine = new MemoryRig()): Promise<Caller> {
    const folder = await mkdtemp(join(tmpdir(), 'cnm-docker-plugin-'))
    const cnm = await machine.start()
    const server = createServer(dockerPlugin(cnm))
    const path = join(folder, 's')
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return new Caller(machine, cnm, path, async () => {
      server.close()
      await cnm.close()
      await rm(folder, { recursive: true })
    })
  }

  async ask(method: string, body?: object): Promise<Said> {
    const options = { socketPath: this.#path, path: `/${method}`, method: 'POST', agent: false }
    return new Promise<Said>((resolve, reject) => {
      const asked = request(options, async (response) => {
        const body = JSON.parse(await text(response))
        resolve({ status: response.statusCode ?? 0, body })
      })
      asked.on('error', reject)
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** Twice, with the same answer. */
  async twice(method: string, body: object): Promise<Said['body']> {
    const first = await this.ask(method, body)
    expect(first, method).toMatchObject({ status: 200 })
    expect(await this.ask(method, body), method).toEqual(first)
    return first.body
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}

const NetworkID = 'a'.repeat(64)
const EndpointID = '1'.repeat(64)
const endpoint = { NetworkID, EndpointID }
const SandboxKey = '/var/run/docker/netns/0123456789ab'
const MacAddress = '02:42:0a:07:00:02'
const space = { AddressSpace: 'cnm-local' }
const gatewayType = { Options: { RequestAddressType: 'com.docker.network.gateway' } }
const withMac = { Options: { 'com.docker.network.endpoint.macaddress': MacAddress } }
const generic = (options: object) => ({ 'com.docker.network.generic': options })
const portmap = (list: object[]) => ({ 'com.docker.network.portmap': list })
const web = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8080 }

it('says what it is', async () => {
  await using docker = await Caller.start()
  expect(await docker.ask('Plugin.Activate')).toEqual({
    status: 200,
    body: { Implements: ['NetworkDriver', 'IpamDriver'] },
  })
  expect((await docker.ask('NetworkDriver.GetCapabilities')).body).toEqual({
    Scope: 'local',
    ConnectivityScope: 'local',
  })
  expect((await docker.ask('IpamDriver.GetCapabilities')).body).toEqual({
    RequiresMACAddress: true,
    RequiresRequestReplay: false,
  })
  expect((await docker.ask('IpamDriver.GetDefaultAddressSpaces')).body).toEqual({
    LocalDefaultAddressSpace: 'cnm-local',
    GlobalDefaultAddressSpace: 'cnm-global',
  })
  expect((await docker.ask('NetworkDriver.DiscoverNew', {})).status).toBe(404)
})

it('takes a network and a container from the beginning to the end, each call twice', async () => {
  await using docker = await Caller.start()
  const before = docker.machine.snapshot()
  const pool = { ...space, Pool: '10.7.0.0/24', SubPool: '10.7.0.128/25' }
  const { PoolID, Pool } = await docker.twice('IpamDriver.RequestPool', pool)
  expect(Pool).toBe('10.7.0.0/24')
  const { Address: Gateway } = await docker.twice('IpamDriver.RequestAddress', {
    PoolID,
    ...gatewayType,
  })
  expect(Gateway).toBe('10.7.0.128/24')
  const IPv4Data = [{ ...space, Pool, Gateway, AuxAddresses: { router: '10.7.0.5/24' } }]
  const six = [{ ...space, Pool: 'fd00:7::/64', Gateway: 'fd00:7::1/64' }]
  await docker.twice('NetworkDriver.CreateNetwork', {
    NetworkID,
    IPv4Data,
    IPv6Data: six,
    Options: { 'com.docker.network.enable_ipv6': true, ...generic({ mtu: '1300' }) },
  })
  expect(await docker.cnm.network(NetworkID).inspect()).toMatchObject({
    ipv4: { subnet: Pool, range: '10.7.0.128/25', auxAddresses: { router: '10.7.0.5' } },
    options: { mtu: 1300 },
  })
  const { Address } = await docker.twice('IpamDriver.RequestAddress', { PoolID, ...withMac })
  expect(Address).toBe('10.7.0.129/24')
  const Interface = { Address, AddressIPv6: '', MacAddress }
  const Options = {
    'com.docker.network.endpoint.exposedports': [{ Proto: 17, Port: 53 }],
    ...portmap([web]),
  }
  const made = await docker.twice('NetworkDriver.CreateEndpoint', {
    ...endpoint,
    Interface,
    Options,
  })
  expect(made).toEqual({ Interface: { AddressIPv6: 'fd00:7::2/64' } })
  expect(await docker.twice('NetworkDriver.Join', { ...endpoint, SandboxKey })).toEqual({
    InterfaceName: { SrcName: 'peer1111111111', DstPrefix: 'eth' },
    Gateway: '10.7.0.128',
    GatewayIPv6: 'fd00:7::1',
    StaticRoutes: [],
    DisableGatewayService: false,
  })
  await docker.twice('NetworkDriver.ProgramExternalConnectivity', { ...endpoint, Options })
  const { Value } = await docker.twice('NetworkDriver.EndpointOperInfo', endpoint)
  expect(Value).toEqual({ 'com.docker.network.endpoint.macaddress': MacAddress })
  expect(await docker.cnm.endpoint(EndpointID).inspect()).toMatchObject({
    mac: MacAddress,
    exposed: [{ protocol: 'udp', ports: { from: 53, to: 53 } }],
    publish: [{ ports: { from: 80, to: 80 }, hostPorts: { from: 8080, to: 8080 } }],
  })
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint']) {
    await docker.twice(`NetworkDriver.${method}`, endpoint)
  }
  await docker.twice('IpamDriver.ReleaseAddress', { PoolID, Address: '10.7.0.129' })
  await docker.twice('IpamDriver.ReleasePool', { PoolID })
  await docker.twice('NetworkDriver.DeleteNetwork', { NetworkID })
  expect(docker.machine.snapshot()).toEqual(before)
})

it('gives what Docker leaves to the driver, and no gateway where nothing leads out', async () => {
  await using docker = await Caller.start()
  const internal = { 'com.docker.network.internal': true }
  const IPv4Data = [{ Pool: '10.8.0.0/24', Gateway: '10.8.0.1/24' }]
  await docker.ask('NetworkDriver.CreateNetwork', { NetworkID, IPv4Data, Options: internal })
  const { body } = await docker.ask('NetworkDriver.CreateEndpoint', endpoint)
  expect(body).toEqual({
    Interface: { Address: '10.8.0.2/24', MacAddress: expect.stringMatching(/^[0-9a-f:]{17}$/) },
  })
  expect((await docker.ask('NetworkDriver.Join', { ...endpoint, SandboxKey })).body).toEqual({
    InterfaceName: { SrcName: 'peer1111111111', DstPrefix: 'eth' },
    StaticRoutes: [],
    DisableGatewayService: true,
  })
})

it('takes what a container may send from as an option of its endpoint', async () => {
  await using docker = await Caller.start()
  const IPv4Data = [{ Pool: '10.8.0.0/24', Gateway: '10.8.0.1/24' }]
  const generic = { 'com.docker.network.generic': { vlan: 'true' } }
  await docker.ask('NetworkDriver.CreateNetwork', { NetworkID, IPv4Data, Options: generic })
  const Options = { 'cnm.addresses': '10.8.0.9', 'cnm.macs': 'any', 'another.label': 'x' }
  await docker.ask('NetworkDriver.CreateEndpoint', { ...endpoint, Options })
  const { addresses, macs } = await docker.cnm.endpoint(EndpointID).inspect()
  expect([addresses, macs]).toEqual([['10.8.0.9'], 'any'])
  expect((await docker.cnm.network(NetworkID).inspect()).options).toMatchObject({ vlan: true })
})

it('makes a thousand ports of a range one range', async () => {
  await using docker = await Caller.start()
  const IPv4Data = [{ Pool: '10.8.0.0/24', Gateway: '10.8.0.1/24' }]
  await docker.ask('NetworkDriver.CreateNetwork', { NetworkID, IPv4Data })
  const exposed = Array.from({ length: 1000 }, (_, n) => ({ Proto: 6, Port: 9999 - n }))
  const named = { 'com.docker.network.endpoint.exposedports': exposed }
  await docker.ask('NetworkDriver.CreateEndpoint', { ...endpoint, Options: named })
  await docker.ask('NetworkDriver.Join', { ...endpoint, SandboxKey })
  const list = Array.from({ length: 1000 }, (_, n) => {
    const port = 9999 - n
    return { ...web, Port: port, HostPort: port, HostPortEnd: port }
  })
  const udp = [{ Proto: 17, Port: 53, HostIP: '127.0.0.1', HostPort: 0, HostPortEnd: 0 }]
  const choice = [{ Proto: 6, Port: 22, HostPort: 2200, HostPortEnd: 2299 }]
  const Options = portmap([...list, ...udp, ...choice])
  await docker.ask('NetworkDriver.ProgramExternalConnectivity', { ...endpoint, Options })
  const { publish, exposed: told } = await docker.cnm.endpoint(EndpointID).inspect()
  expect(told).toEqual([{ protocol: 'tcp', ports: { from: 9000, to: 9999 } }])
  expect(publish).toEqual([
    { protocol: 'tcp', ports: { from: 22, to: 22 }, hostPorts: { from: 2200, to: 2299 } },
    { protocol: 'tcp', ports: { from: 9000, to: 9999 }, hostPorts: { from: 9000, to: 9999 } },
    { protocol: 'udp', ports: { from: 53, to: 53 }, hostAddress: '127.0.0.1' },
  ])
})

it('refuses an empty body where one is needed, and what it can do nothing with', async () => {
  await using docker = await Caller.start()
  const before = docker.machine.snapshot()
  const needed = ['IpamDriver.RequestPool', 'IpamDriver.RequestAddress', 'NetworkDriver.Join']
  for (const method of needed) {
    expect(await docker.ask(method)).toEqual({
      status: 400,
      body: { Err: `the body of /${method} is empty` },
    })
  }
  const refusals: readonly (readonly [string, object, string])[] = [
    ['NetworkDriver.CreateNetwork', { NetworkID: 'short' }, 'NetworkID is "short", no id'],
    ['NetworkDriver.CreateNetwork', { NetworkID, Options: generic({ x: '1' }) }, 'neither IPv4'],
    ['NetworkDriver.Join', { ...endpoint, SandboxKey }, 'there is no endpoint'],
    ['IpamDriver.RequestPool', { Options: { a: 'b' } }, 'IPAM option "a"'],
    ['IpamDriver.RequestPool', { Pool: 'x' }, 'x'],
    ['IpamDriver.RequestAddress', { PoolID: '10.7.0.0/24' }, 'networks of its own driver'],
  ]
  for (const [method, body, message] of refusals) {
    const { status, body: answer } = await docker.ask(method, body)
    expect(status, method).toBeGreaterThanOrEqual(400)
    expect(status, method).not.toBe(404)
    expect(answer.Err).toContain(message)
  }
  expect(docker.machine.snapshot()).toEqual(before)
})

it('knows its pools after a restart, though they are in no record', async () => {
  const machine = new MemoryRig()
  let PoolID: string
  {
    await using docker = await Caller.start(machine)
    const { body } = await docker.ask('IpamDriver.RequestPool', space)
    PoolID = body.PoolID
  }
  await using docker = await Caller.start(machine)
  const { Address } = await docker.twice('IpamDriver.RequestAddress', { PoolID, ...gatewayType })
  expect(Address).toMatch(/\.1\/24$/)
  // No other gets it meanwhile.
  const { body } = await docker.ask('IpamDriver.RequestPool', space)
  expect(body.PoolID).not.toBe(PoolID)
})

it('refuses a subnet that the host uses, before there is a network, unless it is told to', async () => {
  await using docker = await Caller.start()
  const refused = { ...space, Pool: '198.51.100.0/25' }
  const { status, body } = await docker.ask('IpamDriver.RequestPool', refused)
  expect(status).toBeGreaterThanOrEqual(400)
  expect(body.Err).toContain(`overlaps with the host's address 198.51.100.2/24 on link "uplink"`)
  const bad = await docker.ask('IpamDriver.RequestPool', { ...space, Pool: '127.1.0.0/16' })
  expect(bad.body.Err).toContain('loopback')
  const Options = { hostOverlap: 'true' }
  const { Pool } = await docker.twice('IpamDriver.RequestPool', { ...refused, Options })
  const IPv4Data = [{ ...space, Pool, Gateway: '198.51.100.1/25' }]
  const made = { NetworkID, IPv4Data, IPv6Data: [] }
  const without = await docker.ask('NetworkDriver.CreateNetwork', { ...made, Options: {} })
  expect(without.body.Err).toContain('overlaps with the host')
  await docker.twice('NetworkDriver.CreateNetwork', { ...made, Options: generic(Options) })
})
