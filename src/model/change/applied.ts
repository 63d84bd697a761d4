import type { Resource } from '../../kernel/resource.ts'
import { put } from '../parts.ts'
import type { AppliedRecord, NetworkRecord, State } from '../records.ts'

/** What this boot's kernel has of a network, as it is recorded. */
export function applied(state: State, network: NetworkRecord, resources: readonly Resource[]) {
  const record: AppliedRecord = { state, network, resources }
  return put('applied', { id: network.id, ...record })
}
