import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { isKernelError } from '#dist/base/errors.js'
import type { KernelEvent } from '#dist/kernel/kernel.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { NETLINK_NETFILTER, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'
import { NFNLGRP_NFTABLES } from '#dist/kernel/linux/netlink/netfilter.js'
import { Batch, replaceTable } from '#dist/kernel/linux/nftables/index.js'
import { RulesetListener } from '#dist/kernel/linux/ruleset/ruleset-listener.js'
import type { ElementResource, TableResource } from '#dist/kernel/resource.js'
import type { TableDefinition } from '#dist/kernel/ruleset.js'
import { HeardEvents } from '../support/kernel-events.ts'
import { add, kernelRig, remove } from '../support/kernel-rig.ts'
import { inOwnNamespace, nft } from '../support/nft.ts'

const definition: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: false,
  sets: [{ name: 'ports', key: ['inet_proto', 'inet_service'] }],
  chains: [],
}

function run(length: number): ElementResource {
  const place = { kind: 'element', family: 'inet', table: 't', set: 'ports' } as const
  return { ...place, key: ['tcp', '10000'], run: length, owner: 'f'.repeat(64) }
}

function batchOf(length: number, batch = new Batch()): Batch {
  batch.addElements([definition], [run(length)])
  return batch
}

describe('the listener to the ruleset', () => {
  const socket = inOwnNamespace()

  beforeEach(() => replaceTable(socket(), definition))

  function listening() {
    const ear = new NetlinkSocket(NETLINK_NETFILTER)
    ear.join(NFNLGRP_NFTABLES)
    const listener = new RulesetListener()
    listener.set(ear.fd)
    /** How many messages there were. */
    const heard = () => ear.receive().notifications.length
    return { listener, heard, [Symbol.dispose]: () => ear.close() }
  }

  it('hears of what is short and not of what is long', () => {
    using it = listening()
    it.listener.commit(socket(), batchOf(2))
    expect(it.heard()).toBe(3)
    nft('flush set inet t ports')
    expect(it.heard()).toBeGreaterThan(0)
    it.listener.commit(socket(), batchOf(10_000))
    expect(it.heard()).toBe(0)
    expect(it.listener.takeMissed()).toBe(false)
    nft('add table ip others')
    expect(it.heard()).toBeGreaterThan(0)
  })

  it('says that something of others may be unheard', () => {
    using it = listening()
    class Interrupted extends Batch {
      override commit(by: NetlinkSocket): void {
        nft('add table ip others')
        super.commit(by)
      }
    }
    it.listener.commit(socket(), batchOf(10_000, new Interrupted()))
    expect(it.heard()).toBe(0)
    expect(it.listener.takeMissed()).toBe(true)
    expect(it.listener.takeMissed()).toBe(false)
  })

  it('goes on listening after what was refused', () => {
    using it = listening()
    nft('add element inet t ports { tcp . 15000 }')
    it.heard()
    const refused = () => it.listener.commit(socket(), batchOf(10_000))
    expect(refused).toThrow(expect.toSatisfy((error) => isKernelError(error, 'EEXIST')))
    expect(it.listener.takeMissed()).toBe(false)
    nft('add table ip others')
    expect(it.heard()).toBeGreaterThan(0)
  })
})

const isOf = (table: string) => (event: KernelEvent) =>
  event.type === 'ruleset' && event.table === table

describe('a kernel', () => {
  const table: TableResource = { kind: 'table', definition }

  it('tells of others, and not of ten thousand elements of its own', async () => {
    await using rig = await kernelRig()
    await using heard = await HeardEvents.of(rig.kernel)
    await add(rig.kernel, table)
    for (let n = 0; n < 5; n++) {
      await add(rig.kernel, run(10_000))
      await remove(rig.kernel, run(10_000))
    }
    await rig.host.nft('add table ip others')
    await heard.hear(isOf('ip others'))
    const more = heard.all.filter((event) => !isOf('ip others')(event))
    expect(more).toEqual([])
  })

  it('tells of others, whatever they call themselves', async () => {
    await using rig = await kernelRig()
    await using heard = await HeardEvents.of(rig.kernel)
    await add(rig.kernel, table)
    const program = join(rig.host.folder, 'cnm-kernel')
    await rig.host.sh(`ln -s "$(command -v nft)" ${program}; ${program} add chain inet t c`)
    await heard.hear(isOf('inet t'))
    const others = await linuxKernel({ host: rig.host.netns })
    try {
      const theirs: TableDefinition = { ...definition, name: 'theirs' }
      await add(others, { kind: 'table', definition: theirs })
    } finally {
      await others.close()
    }
    await heard.hear(isOf('inet theirs'))
  })

  it('tells of each change of others that comes while ten thousand elements come and go', async () => {
    await using rig = await kernelRig()
    await using heard = await HeardEvents.of(rig.kernel)
    await add(rig.kernel, table)
    for (let n = 0; n < 10; n++) {
      heard.clear()
      const own = add(rig.kernel, run(10_000)).then(() => remove(rig.kernel, run(10_000)))
      await rig.host.nft(`add table ip others${n}`)
      await heard.hear((event) => event.type === 'resync' || isOf(`ip others${n}`)(event))
      await own
    }
  })
})
