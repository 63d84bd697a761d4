import type { NetworkDriver } from '../driver.ts'
import { noOptions } from '../no-options.ts'

/** Nothing but the sandbox's own loopback. Called `none` by Docker's users. */
export function nothing(): NetworkDriver {
  return {
    name: 'null',
    capabilities: {
      scope: 'local',
      connectivity: 'local',
      addresses: false,
      sandbox: 'own',
      exclusive: true,
      single: true,
    },
    parseOptions: noOptions('null'),
    describeNetwork: () => [],
    describeEndpoint: () => [],
    attachment: () => ({ addresses: [], routes: [] }),
  }
}
