import type { IpAddress } from '../../address/address.ts'

/** A line of a hosts file. */
interface HostsLine {
  readonly address: IpAddress
  /** At least one; the first is what the address is called. */
  readonly names: readonly string[]
}

/** What every hosts file begins with, before lines of a sandbox's own. */
const everywhere = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
]

/**
 * A sandbox's /etc/hosts, without the lines of its endpoints: those come and go as HostsEntryResources,
 * in the same format. Format: hosts(5).
 */
export function hostsText(extra: readonly HostsLine[]): string {
  const lines = extra.map(({ address, names }) => `${address}\t${names.join(' ')}`)
  return [...everywhere, ...lines].map((line) => `${line}\n`).join('')
}
