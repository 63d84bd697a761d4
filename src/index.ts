/// <reference types="node" preserve="true" />

/**
 * libcnm: the Container Network Model for Linux.
 *
 * This entry loads no native code: it is the model on parts of your own. `libcnm/linux` has the same
 * `createController` on the real kernel with the built-in drivers.
 *
 * @packageDocumentation
 */

export * from './address/address.ts'
export { macFor, parseMac } from './address/mac.ts'
export type { PortRange, Protocol } from './address/port.ts'
export type {
  ConnectOptions,
  EndpointOptions,
  PublishOptions,
  RateOptions,
  StandaloneEndpointOptions,
  UpdateOptions,
} from './api/endpoint-options.ts'
export type { Cancellable } from './api/option-fields.ts'
export type { NetworkOptions, SandboxOptions, SubnetOptions } from './api/options.ts'
export {
  CnmError,
  type ErrorCode,
  type ErrorKind,
  isCnmError,
  isKernelError,
  KernelError,
} from './base/errors.ts'
export { type EndpointId, type NetworkId, type SandboxId, shortId } from './base/id.ts'
export type * from './driver/driver.ts'
export type * from './driver/hooks.ts'
export type { PluginSource } from './driver/plugin-source.ts'
export type * from './ipam/ipam.ts'
export type * from './kernel/kept-resource.ts'
export type * from './kernel/kernel.ts'
export type * from './kernel/resource.ts'
export type * from './kernel/ruleset.ts'
export { Controller, type ControllerOptions, createController } from './model/controller.ts'
export { Endpoint, type EndpointInfo, type PublishedBinding } from './model/endpoint/endpoint.ts'
export type { DnsOptions } from './model/engine-dns.ts'
export type { CnmEvent, ListenOptions } from './model/event-bus.ts'
export { Network } from './model/network/network.ts'
export type { PluginInfo } from './model/plugins/plugin-infos.ts'
export type { ExposedPort } from './model/ports/port-spec.ts'
export type { NameSettings, NetworkRecord, PoolRecord } from './model/records.ts'
export type { Finding } from './model/recovery/finding.ts'
export type {
  HeldPool,
  LinkToMove,
  Runtime,
  WantedAddress,
  WantedPool,
} from './model/runtime.ts'
export type { DnsQuery } from './model/sandbox/dns-queries.ts'
export type { ExtraHost } from './model/sandbox/name-options.ts'
export {
  type ExecOptions,
  type ExecResult,
  Sandbox,
  type SandboxInfo,
  type SpawnOptions,
} from './model/sandbox/sandbox.ts'
export type { SandboxFiles } from './model/sandbox/sandbox-names.ts'
export type {
  EndpointStatistics,
  NetworkStatistics,
  Statistics,
  Traffic,
} from './model/statistics.ts'
export type * from './store/store.ts'
