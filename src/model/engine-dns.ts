import { contains, type IpAddress, type Prefix, parseAddress } from '../address/address.ts'
import { CnmError } from '../base/errors.ts'
import { ZONE_ADDRESS } from '../dns/files/resolv-conf.ts'
import { RESOLVER_ADDRESS, type ZoneResource } from '../kernel/kept-resource.ts'
import { parseDomain } from './sandbox/name-options.ts'

/** What an engine's user may say of names. */
export interface DnsOptions {
  /**
   * The domain in which the host's own programs find all endpoints, as `NAME.NETWORK.<zone>`; false:
   * they don't. Default: `cnm.internal`.
   */
  readonly zone?: string | false
  /**
   * The loopback address at which they are answered, port 53; what listens just there hears nothing
   * any more. Default: `127.0.0.153`.
   */
  readonly listen?: string
  /**
   * The address that `host-gateway` means in `extraHosts`. Default: that of the host on the network
   * which leads outside.
   */
  readonly hostGateway?: string
}

/** The same, parsed. */
export interface EngineDns {
  readonly zone?: ZoneResource
  readonly hostGateway?: IpAddress
}

const what = 'engine options'

const loopback = ['127.0.0.0/8', '::1/128'] as Prefix[]

/** Errors: INVALID_OPTION, INVALID_ADDRESS. */
export function parseDns(options: DnsOptions = {}): EngineDns {
  const { zone = 'cnm.internal', listen: at = ZONE_ADDRESS, hostGateway } = options
  const listen = parseAddress(at)
  if (listen === RESOLVER_ADDRESS || !loopback.some((prefix) => contains(prefix, listen))) {
    const why = 'which is no loopback address, or that of the sandboxes’ resolvers'
    throw new CnmError('INVALID_OPTION', `${what}: dns.listen is ${listen}, ${why}`, {
      hint: 'give a loopback address that nothing else uses for names, as 127.0.0.153',
    })
  }
  return {
    ...(zone === false
      ? {}
      : {
          zone: { kind: 'zone', name: parseDomain(zone, what, 'dns.zone').toLowerCase(), listen },
        }),
    ...(hostGateway === undefined ? {} : { hostGateway: parseAddress(hostGateway) }),
  }
}
