import { createHash } from 'node:crypto'
import { afterAll, expect, it } from 'vitest'
import type { Cidr, IpAddress, Prefix } from '../../address/address.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import type {
  Attachment,
  EndpointSpec,
  NetworkDriver,
  NetworkSpec,
  RawOptions,
} from '../../driver/driver.ts'
import { linkResource } from '../../driver/link-types.ts'
import type { HostView, Kernel } from '../../kernel/kernel.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import type { NamespaceRef, Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { deepFreeze, type KernelWorld } from '../kernel-cases/world.ts'

/** A host with an uplink: a foreign link with addresses and default routes. */
export interface DriverWorld
  extends Pick<KernelWorld, 'kernel' | 'namespaceDir' | 'state' | 'faults' | 'dispose'> {
  /** Whether a packet gets from there to that address and an answer back. Absent: there are no packets. */
  reaches?(from: NamespaceRef, to: IpAddress): Promise<boolean>
}

/** A sort of network that the driver is to provide. */
export interface Variant {
  readonly title: string
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly internal: boolean
  readonly options: RawOptions
}

export type SceneCase = (title: string, run: (scene: Scene) => Promise<void> | void) => void

/** A driver with a host to describe for. */
export interface Scene {
  readonly driver: NetworkDriver
  readonly world: DriverWorld
  /** The host before anything of ours was there. */
  readonly view: HostView
}

/** Defines tests that get a scene each; with a reason they are skipped. */
export function sceneCases(open: () => Promise<Scene>, reason?: string): SceneCase {
  return (title, run) => {
    it(title, async (context) => {
      if (reason !== undefined) context.skip(reason)
      const scene = await open()
      try {
        await run(scene)
      } finally {
        await scene.world.dispose()
      }
    })
  }
}

/** Such tests that only ask the driver: one host does for all of them, and each has a driver of its own. */
export function descriptionScenes(
  open: () => Promise<Scene>,
  create: () => NetworkDriver,
  reason?: string,
): SceneCase {
  let opened: Promise<Scene> | undefined
  afterAll(async () => (await opened)?.world.dispose())
  return (title, run) => {
    it(title, async (context) => {
      if (reason !== undefined) context.skip(reason)
      opened ??= open()
      await run({ ...(await opened), driver: create() })
    })
  }
}

export async function memoryWorld(): Promise<DriverWorld> {
  const kernel = memoryKernel()
  const uplink = { addresses: ['198.51.100.2/24', '2001:db8::2/64'] as Cidr[], mtu: 1450 }
  kernel.addLink({ name: 'uplink', ...uplink })
  for (const [destination, gateway] of [
    ['0.0.0.0/0', '198.51.100.1'],
    ['::/0', '2001:db8::1'],
  ] as [Prefix, IpAddress][]) {
    kernel.addRoute({ destination, gateway, link: 'uplink' })
  }
  return {
    kernel,
    namespaceDir: '/run/cnm/netns',
    state: async () => kernel.lines(),
    faults: {
      failAt: async (k) => kernel.failAt(k),
      steps: async () => kernel.steps(),
    },
    dispose: () => kernel.close(),
  }
}

/** The n-th network of that sort; each n has an id, a name and subnets of its own. */
export function networkOf({ driver, view }: Scene, variant: Variant, n = 1): NetworkSpec {
  const { ipv4, ipv6, internal } = variant
  const name = `network-${n}`
  const plan = deepFreeze({ name, internal, ipv4, ipv6, auxAddresses: {} })
  const { options } = driver.parseOptions(deepFreeze({ ...variant.options }), plan, view)
  return deepFreeze({
    id: idOf(name) as NetworkId,
    name,
    internal,
    options,
    ...(ipv4 && { ipv4: { subnet: `10.${n}.0.0/24` as Prefix, gateway: ip(`10.${n}.0.1`) } }),
    ...(ipv6 && { ipv6: { subnet: `fd00:${n}::/64` as Prefix, gateway: ip(`fd00:${n}::1`) } }),
  })
}

/** Its m-th endpoint. */
export function endpointOf(network: NetworkSpec, m = 1): EndpointSpec {
  const name = `${network.name}-endpoint-${m}`
  return deepFreeze({
    id: idOf(name) as EndpointId,
    name,
    ...(network.ipv4 && { ipv4: ip(network.ipv4.subnet.replace('.0/24', `.${m + 1}`)) }),
    ...(network.ipv6 && { ipv6: ip(network.ipv6.subnet.replace('/64', `${m + 1}`)) }),
    linkLocal: [],
    ports: [],
    links: [],
  })
}

export function ip(text: string): IpAddress {
  return text as IpAddress
}

/** Looks like any id, and is the same in every run. */
export function idOf(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

/** What the core makes of a network that is alone: what all share, and its own part. */
export function networkResources(
  { driver, view }: Scene,
  network: NetworkSpec,
): readonly Resource[] {
  return [
    ...(driver.describeHost?.([network], view) ?? []),
    ...driver.describeNetwork(network, view),
  ]
}

/** What the core makes of a joined endpoint: its part of the host, and its link inside. */
export function endpointResources(
  { driver, view }: Scene,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  namespace: NamespaceRef,
  place: { readonly link: string; readonly isGateway: boolean },
): readonly Resource[] {
  const attachment = driver.attachment(network, endpoint, view)
  return [
    ...driver.describeEndpoint(network, endpoint, view),
    ...insideResources(attachment, namespace, place),
  ]
}

function insideResources(
  { link: born, addresses, gateway4, gateway6, routes }: Attachment,
  namespace: NamespaceRef,
  { link, isGateway }: { readonly link: string; readonly isGateway: boolean },
): readonly Resource[] {
  if (born === undefined) return []
  const defaults = [
    { destination: '0.0.0.0/0' as Prefix, gateway: gateway4 },
    { destination: '::/0' as Prefix, gateway: gateway6 },
  ].filter(({ gateway }) => isGateway && gateway !== undefined)
  const at = { namespace, link }
  return [
    linkResource(born, namespace, link),
    ...addresses.map((address): Resource => ({ kind: 'address', ...at, address })),
    ...[...routes, ...defaults].map((route): Resource => ({ kind: 'route', ...at, ...route })),
  ]
}

/** What of `mine` no other wants. */
export function without(mine: readonly Resource[], others: readonly Resource[]): Resource[] {
  const keys = new Set(others.map(resourceKey))
  return mine.filter((resource) => !keys.has(resourceKey(resource)))
}

export async function expectSame(kernel: Kernel, ...resources: readonly Resource[]) {
  expect(await kernel.compare(resources)).toEqual([])
}
