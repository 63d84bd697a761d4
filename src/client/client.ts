/// <reference types="node" preserve="true" />

/**
 * libcnm/client: the library's verbs, asked of a daemon over its socket. Importing it loads no native code.
 *
 * @packageDocumentation
 */

import { dirname, resolve } from 'node:path'
import type { Cancellable } from '../api/option-fields.ts'
import type { StatusInfo } from '../api/told.ts'
import { CnmError, isCnmError } from '../base/errors.ts'
import { Connection } from './connection.ts'
import { RemoteController } from './remote-controller.ts'
import { namedSocket, socketOf } from './socket-path.ts'
import type { StartOptions } from './start-daemon.ts'

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
export type { BridgeNetworkOptions } from '../api/driver-options.ts'
export type {
  ConnectOptions,
  EndpointOptions,
  PublishOptions,
  RateOptions,
  StandaloneEndpointOptions,
  UpdateOptions,
} from '../api/endpoint-options.ts'
export type * from '../api/infos.ts'
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
export type { StartOptions } from './start-daemon.ts'

export interface ClientOptions extends Cancellable {
  /** The daemon's socket: a path, or `unix://` and a path. Default: what CNM_HOST says, else `/run/cnm/cnm.sock`. */
  readonly socket?: string
  /**
   * If no daemon answers at the usual place, one is started on this host (for which this program needs to be root),
   * as `cnm run` does it. It ends 30 s after the last sandbox and the last client. Where a socket is named, here or by
   * CNM_HOST, none is started. Default: false.
   */
  readonly start?: boolean | StartOptions
}

/**
 * Finds the daemon. Errors: DAEMON_UNREACHABLE, MISSING_CAPABILITY (its socket is not for us), INVALID_ARGUMENT
 * (no socket can be called so, or it is another program's); with `start` those that it ends with, too.
 */
export async function connectController(options: ClientOptions = {}): Promise<RemoteController> {
  const { socket, start = false, signal } = options
  const { stateDir, runDir } = typeof start === 'object' ? start : {}
  const where = {
    ...(socket === undefined ? {} : { socket }),
    ...(runDir === undefined ? {} : { runDir }),
  }
  const path = socketOf(where)
  const connect = () => connected(path, stateDir, signal)
  try {
    return await connect()
  } catch (error) {
    const isSilent = isCnmError(error, 'DAEMON_UNREACHABLE')
    if (start === false || !isSilent || namedSocket(where) !== undefined) throw error
  }
  // Most programs never start one.
  const { startedDaemon } = await import('./start-daemon.ts')
  const folders = { ...(stateDir === undefined ? {} : { stateDir }), runDir: dirname(path) }
  return startedDaemon(folders, connect, signal)
}

async function connected(
  path: string,
  stateDir: string | undefined,
  signal: AbortSignal | undefined,
): Promise<RemoteController> {
  const controller = new RemoteController(new Connection(path))
  try {
    const status = await controller.status(signal === undefined ? {} : { signal })
    if (stateDir !== undefined) refuseOther(status, stateDir)
    return controller
  } catch (error) {
    await controller.close()
    throw error
  }
}

/** What is asked of it would be done to other networks than those that are meant. */
function refuseOther({ pid, stateDir }: StatusInfo, wanted: string): void {
  if (stateDir === resolve(wanted)) return
  throw new CnmError(
    'ENGINE_RUNNING',
    `a daemon is running (pid ${pid}) whose state folder is ${stateDir}, not ${resolve(wanted)}`,
    { details: { pid, stateDir }, hint: 'leave out stateDir to use it, or end it first' },
  )
}
