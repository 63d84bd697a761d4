import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  addressFromBigInt,
  addressToBigInt,
  contains,
  familyOf,
  type IpFamily,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixLength,
  prefixRange,
} from 'libcnm'
import { type PluginHandlers, servePlugin } from 'libcnm/plugin'

/**
 * An address manager for `cnm network create --ipam-driver sample-ipam …`, as a program of its own:
 * `node ipam-driver.js [SOCKET]`. It keeps nothing on the disk, so it asks to be told everything again
 * when it is back (`RequiresRequestReplay`).
 */
export function ipamDriver(): NonNullable<PluginHandlers['IpamDriver']> {
  const pools = new Map<string, Pool>()
  const turns = { 4: 0, 6: 0 }

  const poolOf = (id: string) => {
    const pool = pools.get(id)
    if (pool === undefined) throw new Error(`there is no pool ${id}`)
    return pool
  }
  const clash = (subnet: Prefix) =>
    [...pools.values()].find((pool) => overlaps(pool.subnet, subnet))?.subnet

  /** The next one in turn that touches no other pool. */
  const choose = (family: IpFamily): Prefix => {
    for (let tries = 0; tries < 256; tries += 1) {
      turns[family] = (turns[family] + 1) % 256
      const turn = turns[family]
      const text = family === 4 ? `10.201.${turn}.0/24` : `fd5a:201:0:${turn.toString(16)}::/64`
      const subnet = parsePrefix(text)
      if (clash(subnet) === undefined) return subnet
    }
    throw new Error(`all subnets of IPv${family} are in use`)
  }

  return {
    GetCapabilities: () => ({ RequiresMACAddress: false, RequiresRequestReplay: true }),

    GetDefaultAddressSpaces: () => ({
      LocalDefaultAddressSpace: 'sample-local',
      GlobalDefaultAddressSpace: 'sample-global',
    }),

    RequestPool({ Pool: text, SubPool: part, V6 = false }) {
      const family = V6 ? 6 : 4
      if (part && !text) throw new Error(`a range (${part}) needs a subnet`)
      const subnet = text ? parsePrefix(text) : choose(family)
      if (familyOf(subnet) !== family) throw new Error(`${subnet} is not of IPv${family}`)
      const range = part ? parsePrefix(part) : subnet
      if (!contains(subnet, range)) throw new Error(`${range} is not in ${subnet}`)
      const other = clash(subnet)
      if (other !== undefined) throw new Error(`${subnet} touches ${other}, which is in use`)
      pools.set(subnet, new Pool(subnet, range))
      return { PoolID: subnet, Pool: subnet }
    },

    ReleasePool({ PoolID }) {
      pools.delete(PoolID)
    },

    RequestAddress({ PoolID, Address }) {
      const pool = poolOf(PoolID)
      const address = Address ? addressToBigInt(parseAddress(Address)) : pool.next()
      pool.take(address, Address || undefined)
      const text = addressFromBigInt(address, familyOf(pool.subnet))
      return { Address: `${text}/${prefixLength(pool.subnet)}` }
    },

    ReleaseAddress({ PoolID, Address }) {
      pools.get(PoolID)?.release(addressToBigInt(parseAddress(Address)))
    },
  }
}

/** The addresses of one subnet. One that is given back comes last, so that its next holder isn't mistaken. */
class Pool {
  readonly subnet: Prefix
  readonly #held = new Set<bigint>()
  readonly #released: bigint[] = []
  readonly #first: bigint
  readonly #last: bigint
  #next: bigint

  constructor(subnet: Prefix, range: Prefix) {
    this.subnet = subnet
    const { first, last } = prefixRange(range)
    this.#first = first
    this.#last = last
    this.#next = first
  }

  /** The next one that is not held, going round; then the one that was given back first. */
  next(): bigint {
    const size = this.#last - this.#first + 1n
    // Those that are held and were given back are all there is to be passed over.
    const most = BigInt(this.#held.size + this.#released.length + 3)
    for (let step = 0n; step < size && step < most; step += 1n) {
      const address = this.#first + ((this.#next - this.#first + step) % size)
      if (this.#isFree(address) && !this.#released.includes(address)) return address
    }
    const again = this.#released.find((address) => this.#isFree(address))
    if (again !== undefined) return again
    throw new Error(`all addresses of ${this.subnet} are in use`)
  }

  take(address: bigint, wanted = ''): void {
    const { first, last } = prefixRange(this.subnet)
    if (address < first || address > last) throw new Error(`${wanted} is not in ${this.subnet}`)
    if (wanted && familyOf(parseAddress(wanted)) !== familyOf(this.subnet)) {
      throw new Error(`${wanted} is of another family than ${this.subnet}`)
    }
    if (this.#isReserved(address)) throw new Error(`${wanted} is no address for a host`)
    if (this.#held.has(address)) throw new Error(`${wanted} is in use`)
    this.#held.add(address)
    const at = this.#released.indexOf(address)
    if (at >= 0) this.#released.splice(at, 1)
    if (address >= this.#first && address <= this.#last) this.#next = address + 1n
  }

  release(address: bigint): void {
    if (!this.#held.delete(address)) return
    if (address >= this.#first && address <= this.#last) this.#released.push(address)
  }

  #isFree(address: bigint): boolean {
    return !this.#held.has(address) && !this.#isReserved(address)
  }

  /** The network's own address, and of IPv4 the broadcast; not where there are only one or two. */
  #isReserved(address: bigint): boolean {
    const { first, last } = prefixRange(this.subnet)
    if (last - first < 2n) return false
    return address === first || (familyOf(this.subnet) === 4 && address === last)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = process.argv[2] ?? '/run/docker/plugins/sample-ipam.sock'
  await mkdir(dirname(path), { recursive: true })
  await servePlugin({ path, handlers: { IpamDriver: ipamDriver() } })
  console.log(`answers at ${path}`)
}
