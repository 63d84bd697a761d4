import type { IpAddress, Prefix } from '../../../address/address.ts'
import { AF_INET, AF_INET6 } from '../ffi/socket.ts'

export type AddressFamily = 4 | 6

/** AF_UNSPEC, which stands for all, where none is given. */
export function familyNumber(family: AddressFamily | undefined): number {
  if (family === undefined) return 0
  return family === 4 ? AF_INET : AF_INET6
}

/** A prefix as the kernel tells it: without an address where the length is 0. */
export function prefixFrom(
  address: IpAddress | undefined,
  length: number,
  familyNumber: number,
): Prefix {
  const any = familyNumber === AF_INET6 ? '::' : '0.0.0.0'
  return `${address ?? any}/${length}` as Prefix
}
