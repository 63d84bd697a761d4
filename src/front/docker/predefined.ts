import { isCnmError } from '../../base/errors.ts'
import type { LocalController } from '../../model/controller.ts'
import { withFacts } from './json/network-facts.ts'

interface Predefined {
  readonly name: string
  readonly driver: string
  readonly options: Readonly<Record<string, string>>
}

/** Networks that are always there with Docker. */
const predefined: readonly Predefined[] = [
  {
    name: 'bridge',
    driver: 'bridge',
    options: {
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': 'true',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
    },
  },
  { name: 'host', driver: 'host', options: {} },
  { name: 'none', driver: 'null', options: {} },
]

export function isPredefined(name: string): boolean {
  return predefined.some((network) => network.name === name)
}

/** Makes those that aren't there. A driver that has one network at most may have it by another name. */
export async function ensurePredefined(controller: LocalController): Promise<void> {
  for (const { name, driver, options } of predefined) {
    const isThere = controller.now
      .networks()
      .some(({ info }) => info.name === name || (driver !== 'bridge' && info.driver === driver))
    if (isThere) continue
    const labels = withFacts({}, { options })
    await controller.createNetwork({ name, driver, options, labels }).catch((error: unknown) => {
      // Another caller was faster.
      if (!isCnmError(error, 'NETWORK_EXISTS')) throw error
    })
  }
}
