/// <reference types="node" preserve="true" />

/**
 * libcnm: the Container Network Model for Linux.
 *
 * This entry loads no native code: it is the model on parts of your own. `libcnm/linux` has the same
 * `createController` on the real kernel with the built-in drivers. Authors of such parts import `libcnm/driver`,
 * `libcnm/kernel` and `libcnm/store`.
 *
 * @packageDocumentation
 */

export * from './address/address.ts'
export { macFor, parseMac } from './address/mac.ts'
export type { PortRange, Protocol } from './address/port.ts'
export type {
  Controller,
  Endpoint,
  EndpointFilter,
  KnownEndpoint,
  KnownNetwork,
  KnownSandbox,
  Network,
  Sandbox,
} from './api/controller.ts'
export type { BridgeNetworkOptions } from './api/driver-options.ts'
export type {
  ConnectOptions,
  EndpointOptions,
  PublishOptions,
  RateOptions,
  StandaloneEndpointOptions,
  UpdateOptions,
} from './api/endpoint-options.ts'
export type * from './api/infos.ts'
export type { Cancellable } from './api/option-fields.ts'
export type { NetworkOptions, SandboxOptions, SubnetOptions } from './api/options.ts'
export type { ExecOptions, ExecResult } from './api/programs.ts'
export type { EventStream, EventsOptions, Stream } from './api/streams.ts'
export type * from './api/told.ts'
export {
  CnmError,
  type ErrorCode,
  type ErrorKind,
  isCnmError,
  isKernelError,
  KernelError,
} from './base/errors.ts'
export { type EndpointId, type NetworkId, type SandboxId, shortId } from './base/id.ts'
export type { NetworkDriver } from './driver/driver.ts'
export type { PluginSource } from './driver/plugin-source.ts'
export type { Ipam } from './ipam/ipam.ts'
export type { Kernel, Program } from './kernel/kernel.ts'
export {
  type ControllerOptions,
  createController,
  type LocalController,
} from './model/controller.ts'
export type { KnownLocalEndpoint, LocalEndpoint } from './model/endpoint/endpoint.ts'
export type { LocalBinding, LocalEndpointInfo } from './model/endpoint/endpoint-info.ts'
export type { DnsOptions } from './model/engine-dns.ts'
export type { KnownLocalNetwork, LocalNetwork, LocalNetworkInfo } from './model/network/network.ts'
export type { ExposedPort } from './model/ports/port-spec.ts'
export type { NameSettings, NetworkRecord, PoolRecord } from './model/records.ts'
export type {
  HeldPool,
  LinkToMove,
  Runtime,
  WantedAddress,
  WantedPool,
} from './model/runtime.ts'
export type { ExtraHost } from './model/sandbox/name-options.ts'
export type { SpawnOptions } from './model/sandbox/program-options.ts'
export type { KnownLocalSandbox, LocalSandbox } from './model/sandbox/sandbox.ts'
export type { LocalSandboxInfo } from './model/sandbox/sandbox-info.ts'
export type { SandboxFiles } from './model/sandbox/sandbox-names.ts'
export type { Snapshot } from './model/snapshot.ts'
export type { Store } from './store/store.ts'
