import { type IpAddress, isUnspecified, parseAddress } from '../address/address.ts'
import { CnmError } from '../base/errors.ts'
import { RESOLVER_ADDRESS, ZONE_ADDRESS } from '../dns/resolv-conf.ts'
import type { ZoneResource } from '../kernel/kept-resource.ts'
import { parseDomain } from './name-options.ts'

/** What an engine's user may say of names. */
export interface DnsOptions {
  /**
   * The domain in which the host's own programs find all endpoints, as `NAME.NETWORK.<zone>`; false:
   * they don't. Default: `cnm.internal`.
   */
  readonly zone?: string | false
  /** The address at which they are answered, port 53. Default: `127.0.0.153`. */
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

/** Errors: INVALID_OPTION, INVALID_ADDRESS. */
export function parseDns(options: DnsOptions = {}): EngineDns {
  const { zone = 'cnm.internal', listen: at = ZONE_ADDRESS, hostGateway } = options
  const listen = parseAddress(at)
  if (isUnspecified(listen) || listen === RESOLVER_ADDRESS) {
    const why = 'at which names can’t be answered'
    throw new CnmError('INVALID_OPTION', `${what}: dns.listen is ${listen}, ${why}`, {
      hint: 'give one address of the host that nobody uses for names, as 127.0.0.153',
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
