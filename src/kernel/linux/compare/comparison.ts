import type { NamespaceRef, Resource } from '../../resource.ts'
import type { Machinery } from '../apply/machinery.ts'
import type { LinkAt } from '../apply/plan.ts'
import { readSysctl } from '../host/sysctl.ts'
import type { NetnsHandles } from '../namespaces/netns-handle.ts'
import { type Contents, linkOfSysctl, readContents } from './contents.ts'

/** What is read of the machine to compare resources with it; what is asked for many is read once. */
export class Comparison {
  readonly machinery: Machinery
  /** All that are compared. */
  readonly resources: readonly Resource[]
  readonly #handles: NetnsHandles
  /** Names of links in sandboxes that are looked for, by the path of the namespace. */
  readonly #wanted = new Map<string, Set<string>>()
  readonly #contents = new Map<string, Contents | undefined>()
  readonly #known = new Map<unknown, unknown>()

  constructor(
    machinery: Machinery,
    handles: NetnsHandles,
    resources: readonly Resource[],
    wanted: readonly LinkAt[],
  ) {
    this.machinery = machinery
    this.resources = resources
    this.#handles = handles
    for (const { namespace, name } of wanted) this.#want(namespace, name)
  }

  /** What is in a namespace, as far as it has been read. */
  get host(): Contents {
    return this.in(undefined)!
  }

  /** undefined: there is no such namespace. */
  in(ref: NamespaceRef | undefined): Contents | undefined {
    const path = ref?.path ?? ''
    if (!this.#contents.has(path)) this.#contents.set(path, this.#read(ref))
    return this.#contents.get(path)
  }

  /** Whether that namespace, if it has been looked into, has more in it than was read. */
  isCut({ path }: NamespaceRef): boolean {
    return this.#contents.get(path)?.isCut ?? false
  }

  /** A sysctl of a link that only waits to be deleted counts as gone. */
  readSysctl(name: string, namespace: NamespaceRef | undefined): string | undefined {
    const contents = this.in(namespace)
    if (contents === undefined) return undefined
    const link = linkOfSysctl(name)
    if (link !== undefined && !contents.links.has(link)) return undefined
    if (namespace === undefined) return readSysctl(name)
    return this.machinery.namespaces.enter(contents.netns.fd, () => readSysctl(name))
  }

  ipv6Switch(link: string, wanted: boolean, namespace?: NamespaceRef): string | false {
    const off = this.readSysctl(`net/ipv6/conf/${link}/disable_ipv6`, namespace)
    if (off === undefined || (off === '0') === wanted) return false
    return `${link} has IPv6 ${wanted ? 'off' : 'on'}`
  }

  /** What several resources need: read once, for the first of them. */
  once<T>(read: (comparison: Comparison) => T): T {
    if (!this.#known.has(read)) this.#known.set(read, read(this))
    return this.#known.get(read) as T
  }

  #read(ref: NamespaceRef | undefined): Contents | undefined {
    const netns = this.#handles.find(ref)
    return netns && readContents(netns, this.#wanted.get(ref?.path ?? '') ?? new Set())
  }

  #want(namespace: NamespaceRef | undefined, name: string): void {
    if (namespace === undefined) return
    const names = this.#wanted.get(namespace.path)
    if (names === undefined) this.#wanted.set(namespace.path, new Set([name]))
    else names.add(name)
  }
}
