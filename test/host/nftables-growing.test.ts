import { beforeEach, describe, expect, it } from 'vitest'
import type { Codec } from '#dist/kernel/linux/netlink/codec.js'
import { NETLINK_NETFILTER, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'
import type { Message } from '#dist/kernel/linux/netlink/message.js'
import { changeElements } from '#dist/kernel/linux/nftables/elements/change-elements.js'
import { listOwnedElements } from '#dist/kernel/linux/nftables/elements/owned-elements.js'
import {
  type Presence,
  PresentElements,
} from '#dist/kernel/linux/nftables/elements/present-elements.js'
import { Batch, listTableElements, replaceTable } from '#dist/kernel/linux/nftables/index.js'
import type { ElementResource } from '#dist/kernel/resource.js'
import type { TableDefinition } from '#dist/kernel/ruleset.js'
import { inOwnNamespace, listed } from '../support/nft.ts'

const definition: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: false,
  sets: [
    { name: 'ports', key: ['inet_proto', 'inet_service'] },
    { name: 'jumps', key: ['ipv4_addr'], value: 'verdict' },
  ],
  chains: [],
}
const place = { family: 'inet', table: 't', set: 'ports' } as const
const owner = 'f'.repeat(64)

function run(length: number, from = 1000): ElementResource {
  return { kind: 'element', ...place, key: ['tcp', String(from)], run: length, owner }
}

/** A kernel that tells the first part of a listing again where the second should be, so many times. */
class Growing extends NetlinkSocket {
  #times: number

  constructor(times: number) {
    super(NETLINK_NETFILTER)
    this.#times = times
  }

  override dump<T>(message: Message, codec: Pick<Codec<T>, 'read'>): T[] {
    const parts = super.dump(message, codec)
    if (message.operation !== 'NFT_MSG_GETSETELEM' || parts.length < 3) return parts
    this.#times -= 1
    return this.#times < 0 ? parts : [parts[0]!, parts[0]!, ...parts.slice(2)]
  }
}

describe('a set that is growing', () => {
  const socket = inOwnNamespace()

  beforeEach(() => {
    replaceTable(socket(), definition)
  })

  function put(...elements: readonly ElementResource[]): void {
    const batch = new Batch()
    batch.addElements([definition], elements)
    batch.commit(socket())
  }

  /** How many there are of each. */
  function presence(by: NetlinkSocket, element: ElementResource) {
    const counts: Partial<Record<Presence, number>> = {}
    PresentElements.all(by, [definition], place).look(element, (found) => {
      counts[found] = (counts[found] ?? 0) + 1
    })
    return counts
  }

  /** How many elements `nft` finds. */
  const count = () => {
    const sets = listed('inet', 't') as readonly { set?: { name: string; elem?: unknown[] } }[]
    return sets.find(({ set }) => set?.name === 'ports')?.set?.elem?.length ?? 0
  }

  it('has what its listing lacks, and not what is gone', () => {
    put(run(1000))
    using growing = new Growing(Number.POSITIVE_INFINITY)
    expect(presence(growing, run(1000))).toEqual({ same: 1000 })
    expect(presence(growing, { ...run(1000), owner: 'another' })).toEqual({ other: 1000 })
    expect(presence(growing, run(1100))).toEqual({ same: 1000, gone: 100 })
  })

  it('loses what is removed, and gets what is added, whatever its listing lacks', () => {
    put(run(1000))
    using growing = new Growing(Number.POSITIVE_INFINITY)
    const change = { remove: [run(900)], add: [run(300, 1900)] }
    changeElements(growing, [definition], change, { compareOwners: true })
    expect(count()).toBe(300)
    // Some of it is there, so that it has to be looked at one by one.
    put(run(500))
    changeElements(growing, [definition], { remove: [], add: [run(1200)] })
    expect(count()).toBe(1200)
    changeElements(growing, [definition], { remove: [run(1500)], add: [] }, { compareOwners: true })
    expect(count()).toBe(0)
  })

  it('is listed again until nothing is left out', () => {
    put(run(1000))
    using once = new Growing(1)
    expect(listOwnedElements(once, definition)).toEqual([
      { ...place, key: ['tcp', '1000'], run: 1000, owner },
    ])
    using often = new Growing(5)
    expect(listTableElements(often, definition)).toHaveLength(1000)
    // That can't be, and so must not go on for ever.
    using always = new Growing(Number.POSITIVE_INFINITY)
    const some = listTableElements(always, definition)
    expect(some.length).toBeLessThan(1000)
    expect(new Set(some.map(({ key }) => key.join())).size).toBe(some.length)
  })

  it('is all there while it really grows', { timeout: 120_000 }, () => {
    for (const length of [300, 700, 1500, 3000]) {
      for (let round = 0; round < 50; round++) {
        replaceTable(socket(), definition)
        put(run(length))
        expect(presence(socket(), run(length))).toEqual({ same: length })
        expect(listOwnedElements(socket(), definition)).toHaveLength(1)
        const batch = new Batch()
        batch.deleteTable(definition)
        batch.commit(socket())
      }
    }
  })
})
