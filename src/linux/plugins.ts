import type { NetworkDriver } from '../driver/driver.ts'
import type { PluginSource } from '../driver/plugin-source.ts'
import { remote } from '../driver/remote/remote.ts'
import type { Ipam } from '../ipam/ipam.ts'
import { remoteIpam } from '../ipam/remote/remote.ts'
import { type PluginOptions, Plugins } from '../plugin/plugins.ts'

export interface LinuxPluginOptions {
  /** Folders of sockets `NAME.sock`. Default: `/run/docker/plugins`. */
  readonly sockets?: readonly string[]
  /** Folders of files `NAME.spec` and `NAME.json`. Default: `/etc/docker/plugins`, `/usr/lib/docker/plugins`. */
  readonly specs?: readonly string[]
  /** How long a call may take, with all that is tried again. Default: 10 s. */
  readonly timeoutMs?: number
}

/** Our own socket among Docker's plugins is no plugin of ours. */
const ownPlugin = 'cnm'

/** The plugins of this host as drivers and IPAMs. */
export function pluginSource(
  { timeoutMs, ...folders }: LinuxPluginOptions,
  onProblem: (problem: unknown) => void = () => {},
  more: PluginOptions['times'] = {},
): PluginSource {
  const times = { ...more, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  const plugins = new Plugins({ folders, times, except: [ownPlugin] })
  const drivers = new Map<string, NetworkDriver>()
  const ipams = new Map<string, Ipam>()
  return {
    driver: (name) => once(drivers, name, () => remote(plugins.get(name))),
    ipam: (name) => once(ipams, name, () => remoteIpam(plugins.get(name), onProblem)),
    watch: (name, tell, signal) => plugins.watch(name, tell, signal),
    list: (signal) => plugins.list(signal),
    inspect: (name, signal) => plugins.inspect(name, signal),
  }
}

function once<T>(made: Map<string, T>, name: string, make: () => T): T {
  const known = made.get(name) ?? make()
  made.set(name, known)
  return known
}
