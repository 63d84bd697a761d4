import { isKernelError } from '../../base/errors.ts'
import type { PortHolder } from '../kernel.ts'
import { holdsOneOf } from '../port-conflict.ts'
import { type ReservationResource, resourceKey } from '../resource.ts'
import { bindProgram } from './bpf/bind-program.ts'
import { BLOCK_BYTES, type Block, KEY_BYTES, PortBlocks } from './bpf/port-blocks.ts'
import { cgroupRoot } from './cgroup.ts'
import {
  attachToCgroup,
  BPF_CGROUP_INET4_BIND,
  BPF_CGROUP_INET6_BIND,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  createHashMap,
  deleteFromMap,
  loadProgram,
  updateMap,
} from './ffi/bpf.ts'
import { close, O_RDONLY, open } from './ffi/file.ts'

/** Elements of the map, of 2,048 ports at one address each. */
const MAX_BLOCKS = 8192

// The kernel has no such programs, maps, functions, or cgroups; they are forbidden here; or 64 others
// are in the same place already.
const impossible = [
  'ENOSYS',
  'EINVAL',
  'EPERM',
  'EACCES',
  'ENOENT',
  'EOPNOTSUPP',
  'ENOTSUPP',
  'E2BIG',
]

/**
 * The ports of the host that nobody can bind: a BPF program at every `bind` on this machine, from the
 * first reservation until this is closed or its process ends. Nothing of it is left behind then.
 */
export class PortReservations {
  readonly #cookie: bigint
  readonly #reservations = new Map<string, ReservationResource>()
  readonly #blocks = new PortBlocks()
  #possible: boolean
  #loaded: Loaded | undefined

  /** `cookie` is that of the host's network namespace. */
  constructor(cookie: string, options: { readonly reservePorts: boolean }) {
    this.#cookie = BigInt(cookie)
    this.#possible = options.reservePorts
  }

  /** Whether this kernel can keep ports from being bound: tried when it is first asked. */
  isPossible(): boolean {
    if (this.#possible && this.#loaded === undefined) {
      try {
        this.#loaded = loadBindPrograms(this.#cookie)
      } catch (error) {
        if (!impossible.some((errno) => isKernelError(error, errno))) throw error
        this.#possible = false
      }
    }
    return this.#possible
  }

  has(reservation: ReservationResource): boolean {
    return this.#reservations.has(resourceKey(reservation))
  }

  /** Those that keep everybody from binding that port. */
  covering(port: Omit<PortHolder, 'pid' | 'process'>): readonly ReservationResource[] {
    return [...this.#reservations.values()].filter((each) => holdsOneOf(each, port))
  }

  /** All of them or none; where it isn't possible, none. Answers with those that weren't there. */
  add(reservations: readonly ReservationResource[]): readonly ReservationResource[] {
    if (reservations.length === 0 || !this.isPossible()) return []
    const fresh = reservations.filter((each) => this.#note(each))
    this.#write(this.#blocks.add(fresh), () => {
      for (const each of fresh) this.#forget(each)
      return this.#blocks.remove(fresh)
    })
    return fresh
  }

  /** All of them or none. Answers with those that were there. */
  remove(reservations: readonly ReservationResource[]): readonly ReservationResource[] {
    const gone = reservations.filter((each) => this.#forget(each))
    this.#write(this.#blocks.remove(gone), () => {
      for (const each of gone) this.#note(each)
      return this.#blocks.add(gone)
    })
    return gone
  }

  /** What isn't in use is loaded again when it is needed. */
  unloadIfIdle(): void {
    if (this.#reservations.size === 0) this.close()
  }

  close(): void {
    for (const fd of this.#loaded?.descriptors ?? []) close(fd)
    this.#loaded = undefined
  }

  /** false: it was there. */
  #note(reservation: ReservationResource): boolean {
    const before = this.#reservations.size
    return this.#reservations.set(resourceKey(reservation), reservation).size > before
  }

  /** false: it wasn't there. */
  #forget(reservation: ReservationResource): boolean {
    return this.#reservations.delete(resourceKey(reservation))
  }

  /** `undo` answers with the blocks as they were before. */
  #write(blocks: ReadonlySet<Block>, undo: () => ReadonlySet<Block>): void {
    try {
      for (const block of blocks) this.#writeBlock(block)
    } catch (error) {
      for (const block of undo()) this.#tryToWrite(block)
      throw error
    }
  }

  #tryToWrite(block: Block): void {
    try {
      this.#writeBlock(block)
    } catch {
      // The error that led here is the one to be told.
    }
  }

  #writeBlock({ key, bits, used }: Block): void {
    if (this.#loaded === undefined) return
    if (used === 0) deleteFromMap(this.#loaded.map, key)
    else updateMap(this.#loaded.map, key, bits)
  }
}

interface Loaded {
  readonly map: number
  /** Those that keep it all in effect. */
  readonly descriptors: readonly number[]
}

function loadBindPrograms(cookie: bigint): Loaded {
  const descriptors: number[] = []
  const keep = (fd: number) => {
    descriptors.push(fd)
    return fd
  }
  const passing: number[] = []
  try {
    const cgroup = open(cgroupRoot(), O_RDONLY)
    passing.push(cgroup)
    const map = keep(
      createHashMap({
        name: 'cnm_ports',
        keySize: KEY_BYTES,
        valueSize: BLOCK_BYTES,
        maxEntries: MAX_BLOCKS,
      }),
    )
    for (const family of [4, 6] as const) {
      const attachType = family === 4 ? BPF_CGROUP_INET4_BIND : BPF_CGROUP_INET6_BIND
      const program = loadProgram({
        name: `cnm_bind${family}`,
        type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        attachType,
        instructions: bindProgram({ family, map, cookie }),
        // Only what can be had under the GPL, too, may read the kernel's own structures.
        license: 'Dual BSD/GPL',
      })
      passing.push(program)
      keep(attachToCgroup(program, cgroup, attachType))
    }
    return { map, descriptors }
  } catch (error) {
    for (const fd of descriptors) close(fd)
    throw error
  } finally {
    for (const fd of passing) close(fd)
  }
}
