import { expect, it } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import type { NetworkDriver } from '#dist/driver/index.js'
import { addressOf, engineRig, expectReached } from '../support/engine-rig.ts'

it('a driver of one’s own, in this process, makes its links itself', async () => {
  await using rig = await engineRig()
  const { host } = rig
  const told: string[] = []
  let made = 0

  /** The bridge driver's networks; but the sandboxes' links are made by it, and moved. */
  const own = (): NetworkDriver => {
    const { hostAddresses: _, ...base } = bridge()
    const bridges = new Map<string, string>()
    return {
      ...base,
      name: 'own',
      describeNetwork(network, view) {
        const resources = base.describeNetwork(network, view)
        for (const each of resources) if (each.kind === 'bridge') bridges.set(network.id, each.name)
        return resources
      },
      describeEndpoint: () => [],
      attachment(network, endpoint, view) {
        const { hostName = '' } = endpoint.told?.join?.link ?? {}
        const link = { type: 'moved', hostName, prefix: 'eth', ipv6: false } as const
        return { ...base.attachment(network, endpoint, view), link }
      },
      hooks: {
        open: async () => {},
        withoutGateway: async () => [],
        createNetwork: async () => void told.push('createNetwork'),
        deleteNetwork: async () => void told.push('deleteNetwork'),
        createEndpoint: async () => {
          told.push('createEndpoint')
          return {}
        },
        deleteEndpoint: async () => void told.push('deleteEndpoint'),
        async join(network) {
          made += 1
          const master = `master ${bridges.get(network.id)}`
          await host.ip(`link add out${made} ${master} up type veth peer name in${made}`)
          return { link: { hostName: `in${made}`, prefix: 'eth' }, routes: [] }
        },
        leave: async () => void told.push('leave'),
        publish: async () => {},
        unpublish: async () => {},
        operInfo: async () => ({}),
      },
    }
  }

  const cnm = await rig.start({ drivers: [own] })
  const lan = await cnm.createNetwork({ name: 'lan', driver: 'own' })
  const [a, b] = [await cnm.createSandbox({ name: 'a' }), await cnm.createSandbox({ name: 'b' })]
  await a.connect(lan)
  const end = await b.connect(lan)
  await expectReached([a, await addressOf(b), true], [b, (await lan.inspect()).ipv4?.gateway, true])
  expect(await cnm.doctor()).toEqual([])
  await end.leave()
  // It has its link back, under its old name.
  expect(await host.ip('-j link show dev in2')).toMatchObject([{ ifname: 'in2' }])
  await cnm.down()
  expect(told).toEqual([
    'createNetwork',
    'createEndpoint',
    'createEndpoint',
    'leave',
    'deleteEndpoint',
    'leave',
    'deleteEndpoint',
    'deleteNetwork',
  ])
})

it('a driver of one’s own that tells the firewall nothing has its links to itself', async () => {
  await using rig = await engineRig()
  // Else a bridge of ours that the firewall doesn't know is taken for one that was renamed.
  const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
  await rig.host.sh(`echo 0 | tee ${sysctls}tables ${sysctls}6tables`)
  /** Bridges without a firewall, beside those that have one. */
  const plain = (): NetworkDriver => {
    const { hostAddresses: _, ...base } = bridge()
    return {
      ...base,
      name: 'plain',
      describeNetwork: (network, view) =>
        base.describeNetwork(network, view).filter(({ kind }) => kind === 'bridge'),
      describeEndpoint: () => [],
    }
  }
  const cnm = await rig.start({ drivers: [plain] })
  const [lan, web] = [
    await cnm.createNetwork({ name: 'lan', driver: 'plain' }),
    await cnm.createNetwork({ name: 'web' }),
  ]
  const [a, b] = [await cnm.createSandbox({ name: 'a' }), await cnm.createSandbox({ name: 'b' })]
  for (const box of [a, b]) for (const network of [lan, web]) await box.connect(network)
  await expectReached([a, await addressOf(b), true], [a, await addressOf(b, 'ipv4', 1), true])
  expect(await cnm.doctor()).toEqual([])
})
