import type { PluginAnswerOf, RequestOf } from '../../plugin/call.ts'
import {
  type NetworkDriverCalls,
  networkDriverCalls,
  networkOptionKeys,
} from '../../plugin/network-driver-messages.ts'
import type { CallOptions, Plugin } from '../../plugin/plugin.ts'
import type { NetworkDriver, NetworkSpec } from '../driver.ts'
import type { DriverHooks, EndpointRef } from '../hooks.ts'
import { chosenIn, joinIn } from './answers.ts'
import { attachmentOf, hostAddressesOf } from './attachment.ts'
import { endpointOptions, interfaceOf, poolsOf } from './requests.ts'

/** What a driver that is another program may be unable to do, it says only when it is asked. */
const capabilities: NetworkDriver['capabilities'] = {
  scope: 'local',
  connectivity: 'local',
  addresses: true,
  sandbox: 'own',
  exclusive: false,
  single: false,
}

/** A network driver that is another program. What it answers is its description. */
export function remote(plugin: Plugin): NetworkDriver {
  return {
    name: plugin.name,
    capabilities,
    parseOptions: (options) => ({ options, given: Object.keys(options) }),
    describeNetwork: () => [],
    describeEndpoint: () => [],
    hostAddresses: (_, endpoint, wanted) => hostAddressesOf(endpoint, wanted),
    attachment: attachmentOf,
    hooks: new RemoteHooks(plugin),
  }
}

type Method = keyof NetworkDriverCalls

class RemoteHooks implements DriverHooks {
  readonly #plugin: Plugin

  constructor(plugin: Plugin) {
    this.#plugin = plugin
  }

  async open(signal?: AbortSignal): Promise<void> {
    await this.#capabilities(signal)
  }

  async withoutGateway(options: NetworkSpec['options'], signal?: AbortSignal) {
    const { GwAllocChecker = false } = await this.#capabilities(signal)
    if (!GwAllocChecker) return []
    const Options = { [networkOptionKeys.generic]: texts(options) }
    const answer = await this.#call('GwAllocCheck', { Options }, { signal })
    const skipped = [answer?.SkipIPv4 && 4, answer?.SkipIPv6 && 6] as const
    return skipped.filter((family) => family === 4 || family === 6)
  }

  async createNetwork(network: NetworkSpec, signal?: AbortSignal): Promise<void> {
    const Options = {
      [networkOptionKeys.generic]: texts(network.options),
      [networkOptionKeys.internal]: network.internal,
      [networkOptionKeys.ipv4]: network.ipv4 !== undefined,
      [networkOptionKeys.ipv6]: network.ipv6 !== undefined,
    }
    const request = { NetworkID: network.id, ...poolsOf(network), Options }
    await this.#call('CreateNetwork', request, { signal })
  }

  async deleteNetwork({ id: NetworkID }: NetworkSpec): Promise<void> {
    await this.#call('DeleteNetwork', { NetworkID })
  }

  async createEndpoint(
    network: NetworkSpec,
    endpoint: Parameters<DriverHooks['createEndpoint']>[1],
    signal?: AbortSignal,
  ) {
    const request = {
      ...idsOf(network, endpoint),
      Interface: interfaceOf(network, endpoint),
      Options: endpointOptions(endpoint),
    }
    const answer = await this.#call('CreateEndpoint', request, { signal })
    return chosenIn(this.#plugin.name, network, endpoint, answer?.Interface ?? {})
  }

  async deleteEndpoint(network: NetworkSpec, endpoint: EndpointRef): Promise<void> {
    await this.#call('DeleteEndpoint', idsOf(network, endpoint))
  }

  async join(
    network: NetworkSpec,
    endpoint: Parameters<DriverHooks['join']>[1],
    SandboxKey: string,
    signal?: AbortSignal,
  ) {
    const request = {
      ...idsOf(network, endpoint),
      SandboxKey,
      Options: endpointOptions(endpoint),
    }
    const answer = await this.#call('Join', request, { signal })
    return joinIn(this.#plugin.name, network, answer ?? {})
  }

  async leave(network: NetworkSpec, endpoint: EndpointRef): Promise<void> {
    await this.#call('Leave', idsOf(network, endpoint))
  }

  async publish(
    network: NetworkSpec,
    endpoint: Parameters<DriverHooks['publish']>[1],
    signal?: AbortSignal,
  ): Promise<void> {
    const request = { ...idsOf(network, endpoint), Options: endpointOptions(endpoint) }
    await this.#call('ProgramExternalConnectivity', request, { signal })
  }

  async unpublish(network: NetworkSpec, endpoint: EndpointRef): Promise<void> {
    await this.#call('RevokeExternalConnectivity', idsOf(network, endpoint))
  }

  async operInfo(network: NetworkSpec, endpoint: EndpointRef) {
    const answer = await this.#call('EndpointOperInfo', idsOf(network, endpoint))
    return answer?.Value ?? {}
  }

  /** Asked each time: it may be another version by now. */
  async #capabilities(signal?: AbortSignal) {
    return (await this.#call('GetCapabilities', undefined, { signal })) ?? {}
  }

  async #call<M extends Method>(
    method: M,
    request: RequestOf<NetworkDriverCalls[M]>,
    options: CallOptions = {},
  ): Promise<PluginAnswerOf<NetworkDriverCalls[M]> | undefined> {
    return this.#plugin.call('NetworkDriver', method, networkDriverCalls[method], request, options)
  }
}

function idsOf(network: NetworkSpec, endpoint: EndpointRef) {
  return { NetworkID: network.id, EndpointID: endpoint.id }
}

/** Plugins know options as texts only. */
function texts(options: NetworkSpec['options']): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]))
}
