import type { NetworkDriver } from '../driver.ts'
import { noOptions } from '../no-options.ts'

/** The host's own stack: for sandboxes that have none of their own. */
export function host(): NetworkDriver {
  return {
    name: 'host',
    capabilities: {
      scope: 'local',
      connectivity: 'local',
      addresses: false,
      sandbox: 'host',
      exclusive: true,
      single: true,
    },
    parseOptions: noOptions('host'),
    describeNetwork: () => [],
    describeEndpoint: () => [],
    attachment: () => ({ addresses: [], routes: [] }),
  }
}
