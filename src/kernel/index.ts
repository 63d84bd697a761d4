/// <reference types="node" preserve="true" />

/**
 * libcnm/kernel: the door to the machine as a contract, for authors of drivers (whose answers are resources) and of other
 * kernels. Loads no native code.
 *
 * @packageDocumentation
 */

export { isKernelError, KernelError } from '../base/errors.ts'
export { isDefaultRoute, outwardOf } from './default-route.ts'
export type * from './kept-resource.ts'
export { isKept, RESOLVER_ADDRESS, ZONE_TABLES } from './kept-resource.ts'
export type * from './kernel.ts'
export {
  DELETING_GROUP,
  isPortGroup,
  LINK_GROUP,
  networkOf,
  POOLED_GROUP,
  PORT_GROUPS,
  PORT_GROUPS_MASK,
  portGroup,
  RETIRED_GROUP,
} from './link-groups.ts'
export { holderText, holdsOneOf, portInUse } from './port-conflict.ts'
export type * from './resource.ts'
export { eachElement, elementAt, resourceKey } from './resource.ts'
export type * from './ruleset.ts'
