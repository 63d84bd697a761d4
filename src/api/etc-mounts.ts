import type { SandboxInfo } from './shapes.ts'

/** By these the C library would ask for the host's names, past resolv.conf (nss-resolve, nscd). */
const bypasses = ['/run/systemd/resolve/io.systemd.Resolve', '/run/nscd/socket']

/** Where a sandbox's programs expect its files, by whatever they are started. */
export function etcMounts({
  hosts,
  hostname,
  resolvConf,
}: NonNullable<SandboxInfo['files']>): { readonly source: string; readonly target: string }[] {
  return [
    { source: hosts, target: '/etc/hosts' },
    { source: hostname, target: '/etc/hostname' },
    ...(resolvConf === undefined
      ? []
      : [
          { source: resolvConf, target: '/etc/resolv.conf' },
          // Nothing listens there: it goes on to ask as resolv.conf says.
          ...bypasses.map((target) => ({ source: '/dev/null', target })),
        ]),
  ]
}
