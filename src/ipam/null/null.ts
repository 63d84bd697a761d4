import type { IpAddress, Prefix } from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import type { AddressRequest, Ipam, Pool, PoolId, PoolRequest } from '../ipam.ts'

/** For networks whose endpoints get no addresses from us. */
export function nullIpam(): Ipam {
  return new NullIpam()
}

class NullIpam implements Ipam {
  readonly name = 'null'
  readonly addresses = false

  async requestPool({ family, subnet, range }: PoolRequest): Promise<Pool> {
    const given = subnet ?? range
    if (given !== undefined) {
      throw new CnmError('INVALID_POOL', `IPAM "null" has no subnets, so it can't give ${given}`, {
        details: { subnet, range },
        hint: 'leave out subnet and range, or use IPAM "local"',
      })
    }
    const everything = family === 4 ? '0.0.0.0/0' : '::/0'
    return { id: everything as string as PoolId, subnet: everything as Prefix }
  }

  async releasePool(): Promise<void> {}

  async requestAddress({ address, holder }: AddressRequest): Promise<IpAddress> {
    const what = address === undefined ? 'no addresses' : `no address ${address}`
    throw new CnmError('INVALID_ADDRESS', `IPAM "null" has ${what} for ${holder}`, {
      details: { address, holder },
      hint: 'use IPAM "local" for a network with addresses',
    })
  }

  async releaseAddress(): Promise<void> {}
}
