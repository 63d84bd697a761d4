import { cidrAddress, cidrOf, parseCidr, prefixLength } from '../../address/address.ts'
import type { LocalController } from '../../model/controller.ts'
import type { LinkToMove, Runtime } from '../../model/runtime.ts'
import type { PluginAnswerOf, RequestOf } from '../../plugin/call.ts'
import {
  endpointOptionKeys,
  type InterfaceData,
  type NetworkDriverCalls,
  routeTypes,
} from '../../plugin/network-driver-messages.ts'
import type { Handlers } from '../../plugin/server.ts'
import { endpointId, networkId } from './ids.ts'
import { networkOptions } from './network-options.ts'
import { exposedPorts, publishOptions } from './port-mappings.ts'
import { senderOptions } from './senders.ts'

/** Each call as one verb of the model. All of them can be repeated. */
export function networkDriver(
  controller: LocalController,
  docker: Runtime,
): Handlers<NetworkDriverCalls> {
  return {
    GetCapabilities: () => ({ Scope: 'local', ConnectivityScope: 'local' }),
    CreateNetwork: (request, signal) =>
      docker.createNetwork(networkId(request.NetworkID), { ...networkOptions(request), signal }),
    DeleteNetwork: ({ NetworkID }) => docker.deleteNetwork(networkId(NetworkID)),
    CreateEndpoint: (request, signal) => createEndpoint(controller, docker, request, signal),
    DeleteEndpoint: ({ EndpointID }) => docker.deleteEndpoint(endpointId(EndpointID)),
    // It would not believe us more, such as what is published.
    EndpointOperInfo: ({ EndpointID }) => {
      const { mac } = docker.link(endpointId(EndpointID))
      return { Value: mac ? { [endpointOptionKeys.macAddress]: mac } : {} }
    },
    Join: async ({ EndpointID, SandboxKey = '' }) =>
      joinAnswer(await docker.join(endpointId(EndpointID), SandboxKey)),
    Leave: ({ EndpointID }) => docker.leave(endpointId(EndpointID)),
    // Asked of the one endpoint of a container by which its answers leave.
    ProgramExternalConnectivity: ({ EndpointID, Options }) =>
      docker.publish(endpointId(EndpointID), publishOptions(Options)),
    RevokeExternalConnectivity: ({ EndpointID }) => docker.unpublish(endpointId(EndpointID)),
  }
}

type Answer<Method extends keyof NetworkDriverCalls> = PluginAnswerOf<NetworkDriverCalls[Method]>

async function createEndpoint(
  controller: LocalController,
  docker: Runtime,
  request: RequestOf<NetworkDriverCalls['CreateEndpoint']>,
  signal: AbortSignal,
): Promise<Answer<'CreateEndpoint'>> {
  const { NetworkID, EndpointID, Interface = {}, Options } = request
  const network = networkId(NetworkID)
  const { Address, AddressIPv6, MacAddress } = Interface
  const endpoint = await docker.createEndpoint(endpointId(EndpointID), network, {
    name: EndpointID.slice(0, 12),
    expose: exposedPorts(Options),
    ...senderOptions(Options),
    signal,
    ...(Address ? { ip: cidrAddress(parseCidr(Address)) } : {}),
    ...(AddressIPv6 ? { ip6: cidrAddress(parseCidr(AddressIPv6)) } : {}),
    ...(MacAddress ? { mac: MacAddress } : {}),
  })
  const { ipv4, ipv6 } = endpoint.info
  const subnets = controller.now.network(network).info
  const { mac } = docker.link(endpoint.id)
  const added: InterfaceData = {
    ...(ipv4 && subnets.ipv4 ? { Address: cidrOf(ipv4, prefixLength(subnets.ipv4.subnet)) } : {}),
    ...(ipv6 && subnets.ipv6
      ? { AddressIPv6: cidrOf(ipv6, prefixLength(subnets.ipv6.subnet)) }
      : {}),
    ...(mac ? { MacAddress: mac } : {}),
  }
  // It is an error to say again what was asked for.
  const isNew = ([key]: [string, unknown]) => !Interface[key as keyof InterfaceData]
  return { Interface: Object.fromEntries(Object.entries(added).filter(isNew)) }
}

function joinAnswer({ name, prefix, gateway4, gateway6, routes }: LinkToMove): Answer<'Join'> {
  return {
    InterfaceName: { ...(name ? { SrcName: name } : {}), ...(prefix ? { DstPrefix: prefix } : {}) },
    ...(gateway4 ? { Gateway: gateway4 } : {}),
    ...(gateway6 ? { GatewayIPv6: gateway6 } : {}),
    StaticRoutes: routes.map(({ destination, gateway }) =>
      gateway === undefined
        ? { Destination: destination, RouteType: routeTypes.connected }
        : { Destination: destination, RouteType: routeTypes.nextHop, NextHop: gateway },
    ),
    // Or Docker would give it a way out of its own.
    DisableGatewayService: gateway4 === undefined && gateway6 === undefined,
  }
}
