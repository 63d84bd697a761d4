import type { NamespaceRef, Resource } from '../kernel/resource.ts'
import type { Attachment } from './driver.ts'

/** The link of an attachment, for a sandbox in which it is called `link`. */
export function linkResource(
  attached: NonNullable<Attachment['link']>,
  namespace: NamespaceRef,
  link: string,
): Resource {
  const { hostName: name, ipv6 } = attached
  if (attached.type === 'lent') {
    const { mac } = attached
    return { kind: 'lent-link', name, namespace, inside: link, ...(mac ? { mac } : {}), ipv6 }
  }
  const { bridge, mtu, mac, learning } = attached
  const port = { bridge, mtu, ...(learning === undefined ? {} : { learning }) }
  return { kind: 'veth', name, ...port, peer: { namespace, name: link, mac, ipv6 } }
}
