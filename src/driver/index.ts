/// <reference types="node" preserve="true" />

/**
 * libcnm/driver: for authors of network drivers and IPAMs. The contracts, and what their answers are made of. Loads no
 * native code. Resources and the host's view are `libcnm/kernel`'s.
 *
 * @packageDocumentation
 */

export * from '../address/address.ts'
export { macBytes, macFor, macFromBytes, parseMac } from '../address/mac.ts'
export type { PortRange, Protocol } from '../address/port.ts'
export { CnmError, type ErrorCode, type ErrorKind, isCnmError } from '../base/errors.ts'
export { type EndpointId, type NetworkId, type SandboxId, shortId } from '../base/id.ts'
export { isLinkName, linkNameHint } from '../base/link-name.ts'
export type * from '../ipam/ipam.ts'
export type { HostView } from '../kernel/kernel.ts'
export type { Resource } from '../kernel/resource.ts'
export type * from './driver.ts'
export type * from './hooks.ts'
export { linkResource } from './link-types.ts'
export { noOptions } from './no-options.ts'
export type * from './plugin-source.ts'
