import type { Resource } from './resource.ts'

/** Host ends of pairs that another engine has: they may be gone with it, and whatever is on them. */
export function namesElsewhere(resources: readonly Resource[]): ReadonlySet<string> {
  return new Set(
    resources.flatMap((it) => (it.kind === 'veth' && !it.peer.namespace ? [it.name] : [])),
  )
}
