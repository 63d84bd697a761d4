import type { NamespaceRef, Resource } from '../kernel/resource.ts'
import type { AttachedLink, VethLink } from './driver.ts'

/** What there is to one type of link. */
interface LinkType<L extends AttachedLink> {
  /** Whether an end of it is on the host while it is in a sandbox: a rate is kept there. */
  readonly hasHostEnd: boolean
  /** The link in a sandbox in which it is called `name`. */
  inside(link: L, namespace: NamespaceRef, name: string): Resource
  /** The link on the host, made for another engine to move, under that name. Absent: it is there already. */
  toMove?(link: L, name: string): Resource
}

/** All of them: a new one is a member of `AttachedLink` and an entry here. */
const linkTypes: { readonly [T in AttachedLink['type']]: LinkType<AttachedLink & { type: T }> } = {
  veth: {
    hasHostEnd: true,
    inside: (link, namespace, name) => vethResource(link, { namespace, name }),
    toMove: (link, name) => vethResource(link, { name }),
  },
  moved: {
    hasHostEnd: false,
    inside: ({ hostName, mac, ipv6 }, namespace, inside) => ({
      kind: 'lent-link',
      name: hostName,
      namespace,
      inside,
      ...(mac ? { mac } : {}),
      ipv6,
    }),
  },
}

function vethResource(
  { hostName: name, bridge, mtu, learning, mac, ipv6 }: VethLink,
  peer: { readonly namespace?: NamespaceRef; readonly name: string },
): Resource {
  const port = { bridge, mtu, ...(learning === undefined ? {} : { learning }) }
  return { kind: 'veth', name, ...port, peer: { ...peer, mac, ipv6 } }
}

function typeOf<L extends AttachedLink>({ type }: L): LinkType<L> {
  return linkTypes[type] as unknown as LinkType<L>
}

/** The link of an attachment, for a sandbox in which it is called `name`. */
export function linkResource(link: AttachedLink, namespace: NamespaceRef, name: string): Resource {
  return typeOf(link).inside(link, namespace, name)
}

/**
 * The link of an attachment on the host, until another engine moves it into a sandbox: made as `name`, or one
 * that is there (no resource).
 */
export function linkToMove(
  link: AttachedLink,
  name: string,
): { readonly name: string; readonly resources: readonly Resource[] } {
  const resource = typeOf(link).toMove?.(link, name)
  return resource ? { name, resources: [resource] } : { name: link.hostName, resources: [] }
}

export function hasHostEnd(link: AttachedLink): boolean {
  return typeOf(link).hasHostEnd
}
