import { cidrOf, prefixLength } from '../address/address.ts'
import { macFor } from '../address/mac.ts'
import { CnmError } from '../base/errors.ts'
import { shortId } from '../base/id.ts'
import type { NetworkDriver, NetworkSpec, Subnet } from '../driver/driver.ts'
import type { Resource } from '../kernel/resource.ts'
import { driverContract } from './driver-contract.ts'

driverContract('the plainest driver', { create: plainest })

/** A bridge and its addresses, and veths from it into sandboxes: the least that a network can be. */
function plainest(): NetworkDriver {
  return {
    name: 'plainest',
    capabilities: {
      scope: 'local',
      connectivity: 'local',
      addresses: true,
      sandbox: 'own',
      exclusive: false,
      single: false,
    },
    parseOptions(options) {
      const [key] = Object.keys(options)
      if (key !== undefined) throw new CnmError('INVALID_OPTION', `there is no option ${key}`)
      return { options: {} }
    },
    describeNetwork: (network) => [
      { kind: 'bridge', name: bridgeOf(network), origin: 'own', ipv6: network.ipv6 !== undefined },
      ...[network.ipv4, network.ipv6].flatMap((subnet) => gatewayAddress(network, subnet)),
    ],
    describeEndpoint: () => [],
    attachment(network, { id, ipv4, ipv6, mac }) {
      const address = ipv4 ?? ipv6
      return {
        link: {
          type: 'veth',
          hostName: `v${shortId(id)}`,
          bridge: bridgeOf(network),
          prefix: 'eth',
          mtu: 1500,
          mac: mac ?? macFor(network.id, address!),
          ipv6: ipv6 !== undefined,
        },
        addresses: [
          ...(ipv4 ? [cidrOf(ipv4, prefixLength(network.ipv4!.subnet))] : []),
          ...(ipv6 ? [cidrOf(ipv6, prefixLength(network.ipv6!.subnet))] : []),
        ],
        ...(network.internal
          ? {}
          : { gateway4: network.ipv4?.gateway, gateway6: network.ipv6?.gateway }),
        routes: [],
      }
    },
  }
}

function bridgeOf(network: NetworkSpec): string {
  return `b${shortId(network.id)}`
}

function gatewayAddress(network: NetworkSpec, subnet: Subnet | undefined): Resource[] {
  if (subnet?.gateway === undefined) return []
  const address = cidrOf(subnet.gateway, prefixLength(subnet.subnet))
  return [{ kind: 'address', link: bridgeOf(network), address }]
}
