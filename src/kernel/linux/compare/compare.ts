/**
 * How the machine differs from resources: what there is in a namespace (contents), what is read once for all
 * (comparison); what each kind makes of it is in kinds/.
 */

import { isKernelError } from '../../../base/errors.ts'
import type { Difference } from '../../kernel.ts'
import type { NamespaceRef, Resource } from '../../resource.ts'
import type { Machinery } from '../apply/machinery.ts'
import { kindOf, linksOf } from '../kinds/kinds.ts'
import { MOST_LISTED, NetnsHandles } from '../namespaces/netns-handle.ts'
import { Comparison } from './comparison.ts'
import { different, type Finding } from './finding.ts'

/** How the machine differs from these resources. */
export function compare(machinery: Machinery, resources: readonly Resource[]): Difference[] {
  const handles = new NetnsHandles(machinery.namespaces, machinery.host)
  try {
    const comparison = new Comparison(machinery, handles, resources, resources.flatMap(linksOf))
    return resources.flatMap((resource) => {
      const found = findingOf(comparison, resource)
      return found === undefined ? [] : [{ resource, ...found }]
    })
  } finally {
    handles.close()
  }
}

/** What a sandbox has done to its namespace keeps no other from being looked at. */
function findingOf(comparison: Comparison, resource: Resource): Finding {
  const namespace = namespaceOf(resource)
  try {
    const finding = kindOf(resource).compare(comparison, resource)
    if (finding === undefined || namespace === undefined) return finding
    if (!comparison.isCut(namespace)) return finding
    const much = `more than ${MOST_LISTED} links, addresses or routes`
    return different(`${namespace.path} has ${much}, so it can't be told: ${finding.detail}`)
  } catch (error) {
    if (namespace === undefined || !isKernelError(error)) throw error
    return different(`${namespace.path} can't be looked into: ${error.message}`)
  }
}

/** The namespace of a sandbox that a resource is in; undefined: it is the host's. */
function namespaceOf(resource: Resource): NamespaceRef | undefined {
  if ('namespace' in resource) return resource.namespace
  return linksOf(resource).find(({ namespace }) => namespace !== undefined)?.namespace
}
