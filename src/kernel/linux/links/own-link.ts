/**
 * Links of ours on the host: how one is found (here), made (make-links), taken out of service (retire), and
 * what is on it (remember).
 */

import { isKernelError } from '../../../base/errors.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { isOurs } from '../ours.ts'
import { getLink, type Link, type LinkRef } from '../rtnetlink/link.ts'

/** What links of ours can be. */
export type OwnKind = 'bridge' | 'veth' | 'ifb'

/** A link of ours, by its name; anything else of that name is none of our business. */
export function ownLink(host: NetnsHandle, name: string, kind: OwnKind): Link | undefined {
  const index = host.findIndex(name)
  const link = index === undefined ? undefined : findLink(host, index)
  return link?.kind === kind && isOurs(link) ? link : undefined
}

export function findLink({ socket }: NetnsHandle, ref: LinkRef): Link | undefined {
  try {
    return getLink(socket, ref)
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return undefined
    throw error
  }
}
