import { expect } from 'vitest'
import { type Cidr, cidrAddress, contains, prefixLength } from '../../address/address.ts'
import { macBytes, parseMac } from '../../address/mac.ts'
import type { Attachment, EndpointSpec, NetworkSpec } from '../../driver/driver.ts'
import type { Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import {
  endpointOf,
  idOf,
  networkOf,
  networkResources,
  type Scene,
  type SceneCase,
  type Variant,
} from './scene.ts'

const manyIds = 3000

/** What the driver answers, without a machine. */
export function descriptionCases(test: SceneCase, variant: Variant): void {
  test('gives the same answer to the same question, whatever it was asked between', (scene) => {
    const network = networkOf(scene, variant)
    const first = JSON.stringify(describeAll(scene, network))
    expect(networkOf(scene, variant)).toEqual(network)
    describeAll(scene, networkOf(scene, variant, 2))
    expect(JSON.stringify(describeAll(scene, network))).toBe(first)
  })

  test('answers with plain data, each thing once', (scene) => {
    const network = networkOf(scene, variant)
    const { host, endpoint, attachment } = describeAll(scene, network)
    for (const resources of [host, endpoint]) {
      const keys = resources.map(resourceKey)
      expect(keys).toEqual([...new Set(keys)])
    }
    expect(JSON.parse(JSON.stringify({ host, endpoint, attachment }))).toEqual({
      host,
      endpoint,
      attachment,
    })
  })

  test('describes nothing but the host, and no veth: that is the attachment’s', (scene) => {
    const { host, endpoint } = describeAll(scene, networkOf(scene, variant))
    for (const resource of [...host, ...endpoint]) {
      expect(['namespace', 'veth']).not.toContain(resource.kind)
      expect('namespace' in resource && resource.namespace).toBeFalsy()
    }
  })

  test('attaches as its capabilities say', (scene) => {
    const { sandbox, addresses } = scene.driver.capabilities
    const network = networkOf(scene, variant)
    const { host, attachment } = describeAll(scene, network)
    if (sandbox === 'host' || attachment.link === undefined) {
      expect(attachment).toEqual({ addresses: [], routes: [] })
    } else if (attachment.link.type === 'veth') {
      expectLink(network, attachment)
      const bridges = host.filter(({ kind }) => kind === 'bridge').map(resourceKey)
      expect(bridges).toContain(`link::${attachment.link.bridge}`)
    }
    if (addresses) expectAddresses(network, endpointOf(network), attachment)
  })

  test('keeps a MAC that the user gives, and makes the same one for the same address', (scene) => {
    const network = networkOf(scene, variant)
    const mac = parseMac('02:12:34:56:78:9a')
    const given = { ...endpointOf(network), mac }
    const { link } = scene.driver.attachment(network, given, scene.view)
    expect(link?.mac ?? mac).toBe(mac)
    const later = { ...endpointOf(network), id: endpointOf(network, 2).id, name: 'later' }
    const macs = [endpointOf(network), later].map(
      (endpoint) => scene.driver.attachment(network, endpoint, scene.view).link?.mac,
    )
    expect(macs[0]).toBe(macs[1])
  })
}

/** Names and keys of many networks and endpoints. */
export function nameCases(test: SceneCase, several: SceneCase, variant: Variant): void {
  test('gives every endpoint a link name of its own, of 15 characters at most', (scene) => {
    const network = networkOf(scene, variant)
    const names = Array.from({ length: manyIds }, (_, n) => {
      const endpoint = { ...endpointOf(network), id: idOf(`endpoint ${n}`) as EndpointSpec['id'] }
      return scene.driver.attachment(network, endpoint, scene.view).link?.hostName
    }).filter((name) => name !== undefined)
    expect(names.filter((name) => !/^[^\s/:]{1,15}$/.test(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
  })

  several('gives every network links of its own, of 15 characters at most', (scene) => {
    const network = networkOf(scene, variant)
    const names = Array.from({ length: manyIds }, (_, n) => {
      const other = { ...network, id: idOf(`network ${n}`) as NetworkSpec['id'] }
      return linkNames(networkResources(scene, other))
    }).flat()
    expect(names.filter((name) => !/^[^\s/:]{1,15}$/.test(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
  })

  several('shares between two networks only what is the same for both, and no link', (scene) => {
    const [one, two] = [networkOf(scene, variant, 1), networkOf(scene, variant, 2)]
    const other = new Map(allResources(scene, two).map((it) => [resourceKey(it), it]))
    for (const resource of allResources(scene, one)) {
      const shared = other.get(resourceKey(resource))
      if (shared === undefined) continue
      expect(['table', 'sysctl', 'element']).toContain(resource.kind)
      expect(shared).toEqual(resource)
      if (resource.kind === 'element') expect([one.id, two.id]).not.toContain(resource.owner)
    }
  })

  test('shares nothing of its own between two endpoints', (scene) => {
    const network = networkOf(scene, variant)
    const [one, two] = [1, 2].map((m) => {
      return scene.driver.describeEndpoint(network, endpointOf(network, m), scene.view)
    }) as [readonly Resource[], readonly Resource[]]
    const keys = new Set(two.map(resourceKey))
    for (const resource of one) {
      if (keys.has(resourceKey(resource))) expect(two).toContainEqual(resource)
    }
  })
}

/** parseOptions. */
export function optionCases(test: SceneCase, variants: readonly Variant[]): void {
  test('names an unknown option', (scene) => {
    const [variant] = variants
    const options = { ...variant!.options, 'no.such.option': '1' }
    expect(() => networkOf(scene, { ...variant!, options })).toThrow(
      expect.objectContaining({
        name: 'CnmError',
        code: 'INVALID_OPTION',
        message: expect.stringContaining('no.such.option'),
      }),
    )
  })
}

function describeAll(scene: Scene, network: NetworkSpec) {
  const { driver, view } = scene
  const endpoint = endpointOf(network)
  return {
    host: networkResources(scene, network),
    endpoint: driver.describeEndpoint(network, endpoint, view),
    attachment: driver.attachment(network, endpoint, view),
  }
}

function allResources(scene: Scene, network: NetworkSpec): readonly Resource[] {
  const { host, endpoint } = describeAll(scene, network)
  return [...host, ...endpoint]
}

function linkNames(resources: readonly Resource[]): readonly string[] {
  return resources.flatMap((resource) => (resource.kind === 'bridge' ? [resource.name] : []))
}

function expectLink(network: NetworkSpec, { link, addresses }: Attachment): void {
  if (link?.type !== 'veth') return
  const [first] = macBytes(link.mac)
  expect(first! & 1, 'a MAC of one link, not of a group').toBe(0)
  expect(link.mtu).toBeGreaterThanOrEqual(network.ipv6 ? 1280 : 68)
  // A number follows.
  expect(link.prefix).toMatch(/^[^\s/:]{1,13}$/)
  expect(link.ipv6).toBe(addresses.some((address) => address.includes(':')))
}

function expectAddresses(network: NetworkSpec, endpoint: EndpointSpec, attachment: Attachment) {
  const { addresses, gateway4, gateway6 } = attachment
  const wanted = ([endpoint.ipv4, endpoint.ipv6] as const).filter((it) => it !== undefined)
  expect(addresses.map(cidrAddress)).toEqual(wanted)
  const subnets = [network.ipv4, network.ipv6].filter((it) => it !== undefined)
  expect(addresses.map((it: Cidr) => prefixLength(it))).toEqual(
    subnets.map(({ subnet }) => prefixLength(subnet)),
  )
  for (const [gateway, family] of [
    [gateway4, network.ipv4],
    [gateway6, network.ipv6],
  ] as const) {
    if (gateway !== undefined) expect(contains(family!.subnet, gateway)).toBe(true)
  }
}
