import type {
  ChosenInterface,
  DriverOptions,
  EndpointSpec,
  JoinAnswer,
  NetworkSpec,
} from './specs.ts'

export type { ChosenInterface, ExposedPorts, JoinAnswer, LinkAnswer, Told } from './specs.ts'

/**
 * For drivers that have side effects of their own: those of plugins, and of drivers that ask another service.
 * The model calls them when something comes and goes, each after a record that says so: after a crash it
 * calls the opposite. So what is deleted may be unknown or gone already, and that is no error.
 *
 * An answer is kept with the endpoint, and handed back with it (`told`): from it the driver describes.
 * Calls for one endpoint come one after the other; for different ones, side by side. Each has an end of
 * its own. Errors: PLUGIN_UNAVAILABLE, PLUGIN_FAILED, and any CnmError; what was begun is undone then.
 */
export interface DriverHooks {
  /** Before the first network is made: is it there? Errors: UNKNOWN_DRIVER. */
  open(signal?: AbortSignal): Promise<void>

  /** Families in which a network with these options needs no address for the host. */
  withoutGateway(options: DriverOptions, signal?: AbortSignal): Promise<readonly (4 | 6)[]>

  createNetwork(network: NetworkSpec, signal?: AbortSignal): Promise<void>
  deleteNetwork(network: NetworkSpec): Promise<void>

  /** May choose what the endpoint has not: addresses, a MAC. */
  createEndpoint(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    signal?: AbortSignal,
  ): Promise<ChosenInterface>
  deleteEndpoint(network: NetworkSpec, endpoint: EndpointRef): Promise<void>

  /** The sandbox is there, at that path. The link that is answered is on the host. */
  join(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    sandbox: string,
    signal?: AbortSignal,
  ): Promise<JoinAnswer>
  /** Its link is back on the host. */
  leave(network: NetworkSpec, endpoint: EndpointRef): Promise<void>

  /** The endpoint supplies its sandbox's default route now: its `ports` are to lead there. */
  publish(network: NetworkSpec, endpoint: EndpointSpec, signal?: AbortSignal): Promise<void>
  unpublish(network: NetworkSpec, endpoint: EndpointRef): Promise<void>

  /** What it has to tell of an endpoint. Fails if it doesn't know it. */
  operInfo(network: NetworkSpec, endpoint: EndpointRef): Promise<Readonly<Record<string, unknown>>>
}

export interface EndpointRef {
  readonly id: EndpointSpec['id']
}
