import type { Ipam } from '../ipam/ipam.ts'
import type { NetworkDriver } from './driver.ts'

/**
 * Drivers and IPAMs that are other programs, found by their names when they are needed. Whether there is
 * such a one shows only when it is asked something.
 */
export interface PluginSource {
  driver(name: string): NetworkDriver
  ipam(name: string): Ipam

  /**
   * Tells when that plugin goes, and when it is there (again): it may have been started anew, and have
   * forgotten everything, or it has left a call unanswered. Ends when the signal fires.
   */
  watch(name: string, tell: (change: 'lost' | 'back') => void, signal: AbortSignal): void

  /** All there are, asked how they are. */
  list(signal?: AbortSignal): Promise<readonly PluginInfo[]>
  /** Errors: PLUGIN_NOT_FOUND. */
  inspect(name: string, signal?: AbortSignal): Promise<PluginInfo>
}

export interface PluginInfo {
  readonly name: string
  /** The socket or file by which it was found; absent: there is none. */
  readonly source?: string
  /** `unix:///run/docker/plugins/weave.sock`, `https://10.0.0.9:8080` */
  readonly address?: string
  readonly state: 'ready' | 'unavailable'
  /** `NetworkDriver`, `IpamDriver`, and what else it says of itself. */
  readonly implements: readonly string[]
  /** Why it is unavailable. */
  readonly problem?: string
}
