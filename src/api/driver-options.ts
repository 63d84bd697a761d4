/**
 * Options of networks of the driver `bridge`, by our names. Docker's labels (`com.docker.network.bridge.enable_icc`) mean
 * the same; both at once and different is an error.
 */
export type BridgeNetworkOptions = {
  /** The device; one that is there already is adopted with its addresses, and stays. Default: `br-` and the id. */
  readonly bridge?: string
  /** Of bridge and links, in bytes; 0 is as good as none. Default: that of the route outwards. */
  readonly mtu?: number
  /** Endpoints of the network may talk to each other. Default: true. */
  readonly icc?: boolean
  /** Traffic leaves with the host's address. Default: true. */
  readonly masquerade?: boolean
  /** Endpoints may send frames with several VLAN tags, and what is no IP. Default: false. */
  readonly vlan?: boolean
  /** How many flows an endpoint may begin in a second, up to 1,000,000; 0 is any number. Default: 2000. */
  readonly newFlowsPerSecond?: number
  /** Its subnets may overlap with what the host uses. Default: false. */
  readonly hostOverlap?: boolean
  /** Names of links in sandboxes begin so. Default: `eth`. */
  readonly prefix?: string
  /** What IPv4 traffic may come in. `isolated` needs an internal network. Default: `nat`. */
  readonly gatewayMode4?: 'nat' | 'nat-unprotected' | 'routed' | 'isolated'
  /** What IPv6 traffic may come in. `isolated` needs an internal network. Default: `nat`. */
  readonly gatewayMode6?: 'nat' | 'nat-unprotected' | 'routed' | 'isolated'
  /** The host takes no IPv4 address on the bridge: the gateway is another machine. Default: false. */
  readonly inhibit4?: boolean
  /** The host address (of either family) of ports that are published without one. Default: all addresses. */
  readonly hostBinding?: string
  /** Marks the network; a device that `bridge` names must be there. Default: false. */
  readonly defaultBridge?: boolean
  /** Links of the host, `eth1:eth2`, from which published ports are reached at the sandbox's own address. Default: none. */
  readonly trustedInterfaces?: string
  /** IPv4 traffic leaves with this address, with `masquerade` off too. Default: that of the link outwards. */
  readonly snat4?: string
  /** IPv6 traffic leaves with this address, with `masquerade` off too. Default: that of the link outwards. */
  readonly snat6?: string
  /** How often neighbours are told of a new endpoint's addresses, 0 to 3. Default: 3 where it matters. */
  readonly advertiseCount?: number
  /** The milliseconds between, 100 to 2000. Default: 1000. */
  readonly advertiseMs?: number
}
