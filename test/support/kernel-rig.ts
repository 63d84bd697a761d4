import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cidr, IpAddress, MacAddress, Prefix } from '#dist/address/address.js'
import type { Kernel } from '#dist/kernel/kernel.js'
import {
  type KeeperProgram,
  type LinuxKernel,
  type LinuxKernelOptions,
  linuxKernel,
} from '#dist/kernel/linux/index.js'
import type { NamespaceRef, Resource } from '#dist/kernel/resource.js'
import { type ThrowAwayHost, throwAwayHost } from './host.ts'

/** A throw-away host with a kernel door to it. */
export class KernelRig implements AsyncDisposable {
  readonly host: ThrowAwayHost
  readonly kernel: LinuxKernel
  /** Where our own namespaces go; it comes into being with the first. */
  readonly namespaceDir: string

  constructor(host: ThrowAwayHost, kernel: LinuxKernel) {
    this.host = host
    this.kernel = kernel
    this.namespaceDir = join(host.folder, 'netns')
  }

  box(name: string): NamespaceRef {
    return { path: join(this.namespaceDir, name) }
  }

  /** The names of the host's links, without `lo`. */
  async links(): Promise<string[]> {
    const links = await this.host.ip<{ ifname: string }[]>('-j link')
    return links.map(({ ifname }) => ifname).filter((name) => name !== 'lo')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kernel.close()
    await this.host[Symbol.asyncDispose]()
  }
}

/** A keeper for that host, in its folder. */
export function keeperOf(host: ThrowAwayHost, stay = false): KeeperProgram {
  const program = fileURLToPath(new URL('../../dist/keeper/process/main.js', import.meta.url))
  return { program, folder: join(host.folder, 'run'), stay }
}

/** With a keeper, unless `options` say otherwise. */
export async function kernelRig(options: LinuxKernelOptions = {}): Promise<KernelRig> {
  const host = await throwAwayHost()
  try {
    const kernel = await linuxKernel({ host: host.netns, keeper: keeperOf(host), ...options })
    return new KernelRig(host, kernel)
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}

/** A bridge with the first address of 10.N.0.0/16 and, if it has IPv6, of fd00:N::/64. */
export function network(name: string, n: number, ipv6 = false): Resource[] {
  return [
    { kind: 'bridge', name, origin: 'own', mtu: 1500, ipv6 },
    address(name, `10.${n}.0.1/16`),
    ...(ipv6 ? [address(name, `fd00:${n}::1/64`)] : []),
  ]
}

export interface Port {
  readonly namespace: NamespaceRef
  /** The host's end. */
  readonly name: string
  readonly inside?: string
  readonly bridge: string
  /** The network's number, as in `network`. */
  readonly n: number
  /** From 2. */
  readonly number: number
  readonly ipv6?: boolean
}

/** A veth pair with the addresses of that number, without routes. */
export function port(options: Port): Resource[] {
  const { namespace, name, inside = 'eth0', bridge, n, number, ipv6 = false } = options
  const mac = `02:00:00:${hex(n)}:${hex(number >> 8)}:${hex(number & 255)}` as MacAddress
  return [
    { kind: 'veth', name, bridge, mtu: 1500, peer: { namespace, name: inside, mac, ipv6 } },
    address(inside, `10.${n}.${number >> 8}.${number & 255}/16`, namespace),
    ...(ipv6 ? [address(inside, `fd00:${n}::${number.toString(16)}/64`, namespace)] : []),
  ]
}

export function address(link: string, text: string, namespace?: NamespaceRef): Resource {
  return { kind: 'address', link, address: text as Cidr, ...(namespace && { namespace }) }
}

export function defaultRoute(link: string, gateway: string, namespace: NamespaceRef): Resource {
  const destination = (gateway.includes(':') ? '::/0' : '0.0.0.0/0') as Prefix
  return { kind: 'route', namespace, link, destination, gateway: gateway as IpAddress }
}

export function add(kernel: Kernel, ...resources: readonly Resource[]): Promise<void> {
  return kernel.apply({ remove: [], add: resources })
}

export function remove(kernel: Kernel, ...resources: readonly Resource[]): Promise<void> {
  return kernel.apply({ remove: resources, add: [] })
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
