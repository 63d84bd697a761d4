import { ACCEPTED_MARK } from '../../firewall/rule.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { ConsentResource } from '../../kernel/resource.ts'
import type { NetworkSpec } from '../driver.ts'

/**
 * Docker drops what it doesn't know, and where bridged packets pass the rules for routed ones, that is
 * what goes from one sandbox to the next, too: so internal networks need its consent as well.
 */
export function consents(
  networks: readonly NetworkSpec[],
  { dockerUser }: HostView,
): ConsentResource[] {
  return dockerUser
    .filter((family) => networks.some((it) => (family === 'ip' ? it.ipv4 : it.ipv6) !== undefined))
    .map((family) => ({ kind: 'consent', family, mark: ACCEPTED_MARK }))
}
