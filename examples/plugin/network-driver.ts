import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type PluginHandlers, servePlugin } from 'libcnm/plugin'

/**
 * A network driver for `cnm network create -d sample …`, as a program of its own. Each network is a bridge,
 * each endpoint a veth pair: one end is on the bridge, the other is answered to Join, and the engine
 * moves it into the sandbox. Run it as root, on the host: `node network-driver.js [SOCKET]`.
 *
 * It keeps nothing on the disk. When it is started anew it refuses EndpointOperInfo for what it doesn't know,
 * and then networks and endpoints are told to it again.
 */
export function networkDriver(ip: Ip = ipCommand): NonNullable<PluginHandlers['NetworkDriver']> {
  const networks = new Map<string, { readonly gateways: readonly string[] }>()
  const endpoints = new Map<string, { readonly network: string }>()

  const networkOf = (id: string) => {
    const network = networks.get(id)
    if (network === undefined) throw new Error(`there is no network ${id}`)
    return network
  }

  return {
    GetCapabilities: () => ({ Scope: 'local', ConnectivityScope: 'local' }),

    async CreateNetwork({ NetworkID, IPv4Data = [], IPv6Data = [] }) {
      if (networks.has(NetworkID)) throw new Error(`there is a network ${NetworkID} already`)
      const gateways = [...IPv4Data, ...IPv6Data].flatMap(({ Gateway }) => Gateway || [])
      const bridge = bridgeOf(NetworkID)
      // It may have made it in another life.
      await ip(`link del ${bridge}`).catch(() => {})
      await ip(`link add ${bridge} type bridge`)
      for (const gateway of gateways) await ip(`addr add ${gateway} dev ${bridge}`)
      await ip(`link set ${bridge} up`)
      networks.set(NetworkID, { gateways })
    },

    async DeleteNetwork({ NetworkID }) {
      networks.delete(NetworkID)
      await ip(`link del ${bridgeOf(NetworkID)}`).catch(() => {})
    },

    async CreateEndpoint({ NetworkID, EndpointID, Interface = {} }) {
      networkOf(NetworkID)
      const [outside, inside] = linksOf(EndpointID)
      await ip(`link del ${outside}`).catch(() => {})
      await ip(`link add ${outside} master ${bridgeOf(NetworkID)} up type veth peer name ${inside}`)
      endpoints.set(EndpointID, { network: NetworkID })
      // The engine decides about the addresses, and about the MAC if it has one.
      return Interface.MacAddress ? {} : { Interface: { MacAddress: macOf(EndpointID) } }
    },

    async DeleteEndpoint({ EndpointID }) {
      endpoints.delete(EndpointID)
      await ip(`link del ${linksOf(EndpointID)[0]}`).catch(() => {})
    },

    EndpointOperInfo({ EndpointID }) {
      if (!endpoints.has(EndpointID)) throw new Error(`there is no endpoint ${EndpointID}`)
      return { Value: { link: linksOf(EndpointID)[0] } }
    },

    Join({ NetworkID, EndpointID }) {
      const addresses = networkOf(NetworkID).gateways.map((cidr) => cidr.split('/')[0] ?? '')
      return {
        InterfaceName: { SrcName: linksOf(EndpointID)[1], DstPrefix: 'eth' },
        Gateway: addresses.find((address) => !address.includes(':')) ?? '',
        GatewayIPv6: addresses.find((address) => address.includes(':')) ?? '',
      }
    },

    // The link has been moved back by then.
    Leave: () => {},
  }
}

/** `ip`, with what comes after it. */
export type Ip = (args: string) => Promise<unknown>

const run = promisify(execFile)
const ipCommand: Ip = (args) => run('ip', args.split(' '))

// Names of links have 15 characters at most.
const bridgeOf = (network: string) => `sb-${network.slice(0, 10)}`
const linksOf = (endpoint: string) =>
  [`so-${endpoint.slice(0, 10)}`, `si-${endpoint.slice(0, 10)}`] as const

/** Locally administered, and the same whenever the endpoint is made again. */
function macOf(endpoint: string): string {
  return ['02', ...(endpoint.slice(0, 10).match(/../g) ?? [])].join(':')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = process.argv[2] ?? '/run/docker/plugins/sample.sock'
  await mkdir(dirname(path), { recursive: true })
  await servePlugin({ path, handlers: { NetworkDriver: networkDriver() } })
  console.log(`answers at ${path}`)
}
