/// <reference types="node" preserve="true" />

/**
 * libcnm/client: the library's verbs, asked of a daemon over its socket. Importing it loads no native code.
 *
 * @packageDocumentation
 */

import type { Cancellable } from '../api/option-fields.ts'
import { Connection } from './connection.ts'
import { RemoteController } from './remote-controller.ts'
import { socketPath } from './socket-path.ts'

/** What these were called before 0.3. */
export type {
  Controller,
  Endpoint,
  EndpointFilter,
  KnownEndpoint,
  KnownEndpoint as RemoteEndpoint,
  KnownNetwork,
  KnownNetwork as RemoteNetwork,
  KnownSandbox,
  KnownSandbox as RemoteSandbox,
  Network,
  Sandbox,
} from '../api/controller.ts'
export type {
  ConnectOptions,
  EndpointOptions,
  PublishOptions,
  RateOptions,
  StandaloneEndpointOptions,
  UpdateOptions,
} from '../api/endpoint-options.ts'
export type { Cancellable } from '../api/option-fields.ts'
export type { NetworkOptions, SandboxOptions, SubnetOptions } from '../api/options.ts'
export type { ExecOptions, ExecResult, ExecResult as ExecAnswer } from '../api/programs.ts'
export type {
  CnmEvent,
  CnmEvent as EventInfo,
  DnsQuery,
  DnsQuery as QueryInfo,
  Finding,
  Finding as FindingInfo,
  PluginInfo,
  Statistics,
  Statistics as StatisticsInfo,
  StatusInfo,
  Traffic,
} from '../api/reports.ts'
export type {
  EndpointInfo,
  NetworkInfo,
  PublishedBinding,
  PublishedBinding as BindingInfo,
  SandboxInfo,
} from '../api/shapes.ts'
export type { EventStream, EventsOptions, Stream, Stream as RemoteStream } from '../api/streams.ts'
export { CnmError, type ErrorCode, type ErrorKind, isCnmError } from '../base/errors.ts'
export { shortId } from '../base/id.ts'
export type { RemoteController } from './remote-controller.ts'

export interface ClientOptions extends Cancellable {
  /** The daemon's socket: a path, or `unix://` and a path. Default: what CNM_HOST says, else `/run/cnm/cnm.sock`. */
  readonly socket?: string
}

/**
 * Finds the daemon. Errors: DAEMON_UNREACHABLE, MISSING_CAPABILITY (its socket is not for us), INVALID_ARGUMENT
 * (no socket can be called so, or it is somebody else's).
 */
export async function connectController(options: ClientOptions = {}): Promise<RemoteController> {
  const controller = new RemoteController(new Connection(socketPath(options.socket)))
  try {
    await controller.status(options)
    return controller
  } catch (error) {
    await controller.close()
    throw error
  }
}
