import { cidrOf, parseAddress, parsePrefix, prefixLength } from '../../address/address.ts'
import { parseMac } from '../../address/mac.ts'
import { CnmError } from '../../base/errors.ts'
import type { HeldPool, Runtime, WantedAddress } from '../../model/runtime.ts'
import {
  addressOptionKeys,
  gatewayAddress,
  type IpamDriverCalls,
} from '../../plugin/ipam-driver-messages.ts'
import type { Handlers } from '../../plugin/server.ts'

type Texts = Readonly<Record<string, string>>

/** Pools and addresses for networks of our driver. */
export function ipamDriver(docker: Runtime): Handlers<IpamDriverCalls> {
  return {
    // The MAC tells one request from another. Nothing has to be asked again when Docker starts: networks are ours.
    GetCapabilities: () => ({ RequiresMACAddress: true, RequiresRequestReplay: false }),
    GetDefaultAddressSpaces: () => ({
      LocalDefaultAddressSpace: 'cnm-local',
      GlobalDefaultAddressSpace: 'cnm-global',
    }),
    RequestPool: async ({ Pool, SubPool, Options = {}, V6 = false }) => {
      const hostOverlap = overlapOf(Options)
      const pool = await docker.requestPool({
        family: V6 ? 6 : 4,
        ...(Pool ? { subnet: parsePrefix(Pool) } : {}),
        ...(SubPool ? { range: parsePrefix(SubPool) } : {}),
        hostOverlap,
      })
      return { PoolID: poolName(pool), Pool: pool.subnet }
    },
    ReleasePool: ({ PoolID }) => docker.releasePool(parsePool(PoolID).subnet),
    RequestAddress: async ({ PoolID, Address, Options = {} }) => {
      const pool = parsePool(PoolID)
      const address = await docker.requestAddress(pool, wantedAddress(Address, Options))
      return { Address: cidrOf(address, prefixLength(pool.subnet)) }
    },
    ReleaseAddress: ({ PoolID, Address }) =>
      docker.releaseAddress(parsePool(PoolID).subnet, parseAddress(Address)),
  }
}

/** The name says all that has to be known of a pool, so that it is known after a restart. */
function poolName({ subnet, range }: HeldPool): string {
  return range === undefined ? subnet : `${subnet},${range}`
}

function parsePool(name: string): HeldPool {
  const [subnet = '', range] = name.split(',')
  const parsed = parsePrefix(subnet)
  return range === undefined ? { subnet: parsed } : { subnet: parsed, range: parsePrefix(range) }
}

function wantedAddress(address: string | undefined, options: Texts): WantedAddress {
  const mac = options[addressOptionKeys.macAddress]
  return {
    ...(address ? { address: parseAddress(address) } : {}),
    ...(mac ? { mac: parseMac(mac) } : {}),
    gateway: options[addressOptionKeys.type] === gatewayAddress,
  }
}

/** Whether the pool may overlap with what the host uses. */
function overlapOf({ hostOverlap = 'false', ...others }: Texts): boolean {
  const [key] = Object.keys(others)
  const isFlag = hostOverlap === 'true' || hostOverlap === 'false'
  if (key === undefined && isFlag) return hostOverlap === 'true'
  const what =
    key === undefined
      ? `IPAM option "hostOverlap" is "${hostOverlap}"`
      : `IPAM option "${key}" isn't known`
  throw new CnmError('INVALID_OPTION', what, {
    details: { option: key ?? 'hostOverlap' },
    hint: 'the one option of this IPAM is hostOverlap=true',
  })
}
