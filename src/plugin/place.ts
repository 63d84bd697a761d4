/** Where a plugin answers, and how that is known. */
export interface PluginPlace {
  /** What it is called as a driver or IPAM. */
  readonly name: string
  /** The socket, or the file that names its address. */
  readonly source: string
  readonly address: PluginAddress
}

export type PluginAddress =
  | { readonly socket: string }
  | { readonly host: string; readonly port: number; readonly tls?: PluginTls }

export interface PluginTls {
  /** true: any server may answer there. */
  readonly insecure: boolean
  /** Paths of PEM files. */
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

/** Where plugins are looked for. The first folder that has one counts. */
export interface PluginFolders {
  /** `NAME.sock`, `NAME/NAME.sock` */
  readonly sockets: readonly string[]
  /** `NAME.spec` with a URL, `NAME.json` with more; or both in a folder `NAME`. */
  readonly specs: readonly string[]
  /** Docker's own folder of managed plugins, whose sockets are below those of `sockets`. */
  readonly managed: readonly string[]
}

export const defaultFolders: PluginFolders = {
  sockets: ['/run/docker/plugins'],
  specs: ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
  managed: ['/var/lib/docker/plugins'],
}

/** An address as people write it. */
export function addressText(address: PluginAddress): string {
  if ('socket' in address) return `unix://${address.socket}`
  return `${address.tls === undefined ? 'http' : 'https'}://${address.host}:${address.port}`
}
