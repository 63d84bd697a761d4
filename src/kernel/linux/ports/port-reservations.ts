/**
 * Ports of the host: kept from its processes (here), looked for among them (port-search), and bound as sockets
 * of a namespace (sockets).
 */

import { isKernelError } from '../../../base/errors.ts'
import type { PortHolder } from '../../kernel.ts'
import { holdsOneOf } from '../../port-conflict.ts'
import { type ReservationResource, resourceKey } from '../../resource.ts'
import { type Block, PortBlocks } from '../bpf/port-blocks.ts'
import { deleteFromMap, updateMap } from '../ffi/bpf.ts'
import { uncounted } from '../ffi/fault.ts'
import { close } from '../ffi/file.ts'
import type { KeeperLink } from '../keeper/link.ts'
import {
  asBindPrograms,
  type BindPrograms,
  loadBindPrograms,
  nameOfBindPrograms,
} from './bind-programs.ts'
import { InheritedPorts } from './inherited-ports.ts'

/** What the keeper calls map and programs, before their version. */
const LABEL = 'reservations/'

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
 * The ports of the host that no process can bind: a BPF program at every `bind` on this machine, from the
 * first reservation until this is closed and the keeper, if there is one, has ended. Nothing of it is
 * left behind then.
 *
 * With a keeper it goes on when the engine's process ends. The next engine takes over map and programs,
 * if they are of its own version, with all ports in them: a reservation that is asked for is there
 * then, and what was not asked for is free again when the inheritance is given up. Those of another
 * version stay beside its own for as long.
 */
export class PortReservations {
  readonly #cookie: bigint
  readonly #reservations = new Map<string, ReservationResource>()
  readonly #blocks = new PortBlocks()
  readonly #inherited = new InheritedPorts()
  readonly #link: KeeperLink | undefined
  readonly #label: string
  /** Labels of other versions, which are in effect until the inheritance is given up. */
  readonly #outdated: string[] = []
  #possible: boolean
  #loaded: BindPrograms | undefined

  /** `cookie` is that of the host's network namespace. */
  constructor(cookie: string, options: { readonly reservePorts: boolean }, link?: KeeperLink) {
    this.#cookie = BigInt(cookie)
    this.#possible = options.reservePorts
    this.#link = link
    this.#label = `${LABEL}${nameOfBindPrograms(this.#cookie)}`
    for (const [label, descriptors] of link?.takeInherited(LABEL) ?? []) {
      this.#inherit(label, descriptors)
    }
  }

  /** Whether this kernel can keep ports from being bound: tried when it is first asked. */
  isPossible(): boolean {
    if (this.#possible && this.#loaded === undefined) {
      try {
        this.#use(loadBindPrograms(this.#cookie))
      } catch (error) {
        if (!impossible.some((errno) => isKernelError(error, errno))) throw error
        this.#possible = false
      }
    }
    return this.#possible
  }

  has(reservation: ReservationResource): boolean {
    return this.#reservations.has(resourceKey(reservation)) || this.#recover(reservation)
  }

  /** Those that keep all processes from binding that port. */
  covering(port: Omit<PortHolder, 'pid' | 'process'>): readonly ReservationResource[] {
    return [...this.#reservations.values()].filter((each) => holdsOneOf(each, port))
  }

  /** All of them or none; where it isn't possible, none. Answers with those that weren't there. */
  add(reservations: readonly ReservationResource[]): readonly ReservationResource[] {
    if (reservations.length === 0 || !this.isPossible()) return []
    const fresh = reservations.filter((each) => !this.has(each) && this.#note(each))
    this.#write(this.#blocks.add(fresh), () => {
      for (const each of fresh) this.#forget(each)
      return this.#blocks.remove(fresh)
    })
    return fresh
  }

  /** All of them or none. Answers with those that were there. */
  remove(reservations: readonly ReservationResource[]): readonly ReservationResource[] {
    const gone = reservations.filter((each) => this.has(each) && this.#forget(each))
    this.#inherited.forget(gone)
    this.#write(this.#blocks.remove(gone), () => {
      for (const each of gone) this.#note(each)
      return this.#blocks.add(gone)
    })
    return gone
  }

  /** Those of the inherited ports that are wanted have been asked for: all others are free from now on. */
  giveUpInherited(): void {
    const wanted = new Map(
      [...this.#blocks.all()].map((block) => [block.key.toString('hex'), block]),
    )
    for (const key of this.#inherited.takeAll()) {
      const block = wanted.get(key.toString('hex'))
      uncounted(() => this.#tryToWrite(block ?? { key, used: 0, bits: key }))
    }
    for (const label of this.#outdated.splice(0)) this.#link?.hold(label, [])
  }

  /** What isn't in use is loaded again when it is needed. */
  unloadIfIdle(): void {
    if (this.#reservations.size > 0 || !this.#inherited.isEmpty) return
    if (this.#loaded !== undefined) this.#link?.hold(this.#label, [])
    this.close()
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

  #tryToWrite(block: Pick<Block, 'key' | 'bits' | 'used'>): void {
    try {
      this.#writeBlock(block)
    } catch {
      // The error that led here is the one to be told.
    }
  }

  #writeBlock({ key, bits, used }: Pick<Block, 'key' | 'bits' | 'used'>): void {
    if (this.#loaded === undefined) return
    const { map } = this.#loaded
    const inherited = this.#inherited.bitsOf(key)
    if (inherited !== undefined) updateMap(map, key, either(bits, inherited))
    else if (used === 0) deleteFromMap(map, key)
    else updateMap(map, key, bits)
  }

  #use(programs: BindPrograms): void {
    this.#loaded = programs
    this.#link?.hold(this.#label, programs.descriptors)
  }

  #inherit(label: string, descriptors: readonly number[]): void {
    const programs = label === this.#label ? asBindPrograms(descriptors) : undefined
    if (programs !== undefined && this.#possible) {
      this.#use(programs)
      this.#inherited.read(programs.map)
      return
    }
    for (const fd of descriptors) close(fd)
    this.#outdated.push(label)
  }

  /** A port that is inherited needs nothing but to be known. */
  #recover(reservation: ReservationResource): boolean {
    if (!this.#inherited.covers(reservation)) return false
    this.#note(reservation)
    this.#blocks.add([reservation])
    return true
  }
}

function either(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, index) => byte | b[index]!))
}
