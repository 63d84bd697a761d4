import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../address/address.ts'
import type { ElementResource, Resource, VethResource } from '../resource.ts'
import { memoryKernel } from './memory-kernel.ts'

const inside = { path: '/run/cnm/netns/a' }
const base: readonly Resource[] = [
  { kind: 'namespace', namespace: inside },
  { kind: 'bridge', name: 'br0', origin: 'own', ipv6: false },
  {
    kind: 'table',
    definition: {
      family: 'inet',
      name: 't',
      owned: false,
      sets: [
        { name: 'ports', key: ['inet_proto', 'inet_service'], interval: true },
        { name: 'from6', key: ['ipv6_addr'], interval: true },
        { name: 'to', key: ['inet_service'], value: ['ipv4_addr'] },
      ],
      chains: [],
    },
  },
]

function element(set: string, key: readonly string[], value?: readonly string[]): ElementResource {
  return { kind: 'element', family: 'inet', table: 't', set, key, value, owner: 'o' }
}

function veth(n: number, bridge = 'br0', mtu = 1500): VethResource {
  const peer = { namespace: inside, name: `eth${n}`, mac: '02:00:00:00:00:01' as MacAddress }
  return { kind: 'veth', name: `v${n}`, bridge, mtu, peer: { ...peer, ipv6: false } }
}

const present = [element('ports', ['tcp', '8000-8999']), element('from6', ['fd00:1::/32'])]

/** What the contract suite doesn't ask of every kernel, in the words of this one. */
describe('the memory kernel refuses', () => {
  it.each<[string, Resource]>([
    ['EINVAL', { kind: 'bridge', name: 'a/b', origin: 'own', ipv6: false }],
    ['EINVAL', { kind: 'bridge', name: '..', origin: 'own', ipv6: false }],
    ['EINVAL', { kind: 'bridge', name: 'br1', origin: 'own', mtu: 67, ipv6: false }],
    ['EINVAL', veth(1, 'br0', 65_536)],
    ['EOPNOTSUPP', veth(1, 'up0')],
    ['ENODEV', { kind: 'bridge', name: 'up0', origin: 'adopt', ipv6: false }],
    [
      'EINVAL',
      {
        kind: 'route',
        destination: '::/0' as Prefix,
        gateway: '10.0.0.1' as IpAddress,
        link: 'up0',
      },
    ],
    [
      'EHOSTUNREACH',
      {
        kind: 'route',
        destination: '::/0' as Prefix,
        gateway: 'fd00::1' as IpAddress,
        link: 'up0',
      },
    ],
    ['EINVAL', element('ports', ['tcp'])],
    ['EINVAL', element('to', ['80'])],
    ['EINVAL', element('ports', ['tcp', '80'], ['10.0.0.1'])],
    ['EEXIST', element('ports', ['tcp', '8999'])],
    ['EEXIST', element('ports', ['tcp', '7000-8000'])],
    ['EEXIST', element('from6', ['fd00:1:8000::-fd00:2::'])],
  ])('%s: %o', async (errno, resource) => {
    const kernel = memoryKernel()
    kernel.addLink({ name: 'up0' })
    await kernel.apply({ remove: [], add: [...base, ...present] })
    const refused = kernel.apply({ remove: [], add: [resource] })
    await expect(refused).rejects.toMatchObject({ name: 'KernelError', errno })
  })

  it('nothing that only comes near', async () => {
    const kernel = memoryKernel()
    const near = [
      element('ports', ['udp', '8000-8999']),
      element('ports', ['tcp', '7999']),
      element('from6', ['fd00:2::/32']),
      element('to', ['80'], ['10.0.0.1']),
    ]
    await kernel.apply({ remove: [], add: [...base, ...present, ...near] })
    expect(await kernel.compare(near)).toEqual([])
  })

  it('a bridge’s 1,024th port', async () => {
    const kernel = memoryKernel()
    const ports = Array.from({ length: 1023 }, (_, n) => veth(n))
    await kernel.apply({ remove: [], add: [...base, ...ports] })
    const oneMore = kernel.apply({ remove: [], add: [veth(1023)] })
    await expect(oneMore).rejects.toMatchObject({ errno: 'EXFULL', resource: 'link::v1023' })
    await kernel.apply({ remove: [veth(0)], add: [veth(1023)] })
  })

  it('sysctls that an older Linux doesn’t have', async () => {
    const kernel = memoryKernel({ forceForwarding6: false })
    expect(await kernel.view()).toMatchObject({ forceForwarding6: false })
    const name = 'net/ipv6/conf/all/force_forwarding'
    const refused = kernel.apply({ remove: [], add: [{ kind: 'sysctl', name, value: '1' }] })
    await expect(refused).rejects.toMatchObject({ errno: 'ENOENT' })
  })

  it('programs and sockets', async () => {
    const kernel = memoryKernel()
    const program = kernel.spawn(undefined, { argv: ['true'], stdio: 'pipe' })
    await expect(program).rejects.toMatchObject({ code: 'UNSUPPORTED_KERNEL' })
    const request = { family: 4, type: 'udp', address: '10.0.0.1' as IpAddress, port: 53 } as const
    const socket = kernel.openSocket(inside, request)
    await expect(socket).rejects.toMatchObject({ code: 'UNSUPPORTED_KERNEL' })
  })
})

describe('a fault in the memory kernel', () => {
  it('hits the k-th step, once, be it a change or a question', async () => {
    const kernel = memoryKernel()
    kernel.failAt(1)
    await expect(kernel.view()).rejects.toMatchObject({ name: 'KernelError', errno: 'EIO' })
    await kernel.view()
    expect(kernel.steps()).toBe(2)
    kernel.failAt(2)
    await kernel.view()
    const address: Resource = { kind: 'address', link: 'lo', address: '10.0.0.1/32' as Cidr }
    await expect(kernel.compare([address])).rejects.toMatchObject({ errno: 'EIO' })
  })

  it('tells which resource it was about', async () => {
    const kernel = memoryKernel()
    kernel.failAt(3)
    const made = kernel.apply({ remove: [], add: base })
    await expect(made).rejects.toMatchObject({ resource: 'namespace:/run/cnm/netns/a' })
  })
})
