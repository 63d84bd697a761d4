import { expect, it, vi } from 'vitest'
import { Life, MemoryRig } from '../../../test/support/memory-rig.ts'
import { createController, type LocalController } from '../controller.ts'

const ip = '10.7.0.10'
/** More than there are calls to kernel and store. */
const most = 30

async function furnish(cnm: LocalController): Promise<void> {
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  await cnm.createSandbox({ name: 'old', connect: [{ network: 'web', ip }] })
  await cnm.createSandbox({ name: 'new' })
}

/** The one who has the address leaves, and at once another one gets it. */
async function handOver(cnm: LocalController, mac: { readonly mac?: string }): Promise<void> {
  await (await cnm.sandbox('old').endpoints())[0]?.leave()
  await cnm.sandbox('new').connect(cnm.network('web'), { ip, ...mac })
}

/** What host and bridge know for good. */
function known(rig: MemoryRig): string[] {
  return rig.kernel
    .lines()
    .filter((line) => /^(bridge fdb|ip neigh\w*) /.test(line))
    .sort()
}

it.each([
  ['the same MAC', {} as { mac?: string }],
  ['another MAC', { mac: '02:00:00:00:00:99' }],
])(
  'an address that changes hands with %s is the new one’s, whenever the engine dies',
  async (_, mac) => {
    let deaths = 0
    for (let calls = 0; calls < most; calls += 1) {
      const rig = new MemoryRig()
      const life = new Life()
      const first = await rig.start(life)
      await furnish(first)
      life.dieAfter(calls)
      await handOver(first, mac).catch(() => {})
      await first.close().catch(() => {})
      if (life.over) deaths += 1

      await using cnm = await rig.start()
      if ((await cnm.sandbox('new').endpoints()).length === 0) await handOver(cnm, mac)
      const check = async () => {
        const [endpoint] = await cnm.sandbox('new').endpoints()
        const [fdb = '', neighbour, ...more] = known(rig)
        const [, its = '', port] = /replace (\S+) dev (\S+)/.exec(fdb) ?? []
        expect(endpoint?.id).toContain(port?.replace('veth', ''))
        expect(its).toBe(mac.mac ?? its)
        expect(neighbour).toContain(`${ip} lladdr ${its} `)
        expect(more).toEqual([])
      }
      await cnm.settled()
      await check()
      // What the old one has left has no owner, but what the new one has of it stays.
      await cnm.doctor({ fix: true })
      expect(await cnm.doctor()).toEqual([])
      await check()
    }
    expect(deaths).toBeGreaterThan(4)
    expect(deaths).toBeLessThan(most)
  },
)

it('an address that another one takes while its holder leaves stays that one’s', async () => {
  const rig = new MemoryRig()
  const parts = rig.parts()
  const { commit } = parts.store
  let held: Promise<void> | undefined
  const store = {
    ...parts.store,
    commit: async (writes: Parameters<typeof commit>[0]) => {
      const wait = held
      held = undefined
      await wait
      await commit(writes)
    },
  }
  await using cnm = await createController({ ...parts, store })
  const options = { linkLocal: ['169.254.7.7'] }
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  await cnm.createSandbox({ name: 'old', connect: [{ network: 'web', ...options }] })
  await cnm.createSandbox({ name: 'new' })
  let goOn = () => {}
  held = new Promise((resolve) => {
    goOn = resolve
  })
  const leaving = (await cnm.sandbox('old').endpoints())[0]!.leave()
  await vi.waitFor(() => expect(held).toBeUndefined())
  await cnm.sandbox('new').connect(cnm.network('web'), options)
  goOn()
  await leaving
  expect(await cnm.doctor()).toEqual([])
  expect(known(rig).filter((line) => line.includes('169.254.7.7'))).toHaveLength(1)
})
