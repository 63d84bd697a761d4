import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { type KnownLocalSandbox, type NetworkDriver, shortId } from '#dist/index.js'
import type {
  ElementResource,
  Resource,
  TableDefinition,
  TableResource,
} from '#dist/kernel/index.js'
import { addressOf, type EngineRig, engineRig } from '../support/engine-rig.ts'

const drop = { verdict: 'drop' } as const

/** A later version: nothing passes but by elements that this one doesn't have, and a set is made otherwise. */
function later(): NetworkDriver {
  const base = bridge()
  const owned = (definition: TableDefinition): TableDefinition => {
    const port = { lookup: ['iifname'], not: true, set: 'later_ports' } as const
    const net = { lookup: ['iifname'], not: true, set: 'later_bridges' } as const
    const from = { lookup: ['iifname'], set: 'bridges' } as const
    const rule =
      definition.family === 'bridge'
        ? { statements: [port, drop] }
        : { statements: [from, net, drop] }
    return {
      ...definition,
      sets: [
        ...definition.sets.map((set) =>
          /^(bridges|masquerade4)$/.test(set.name) ? { ...set, timeout: true } : set,
        ),
        { name: 'later_ports', key: ['ifname'] },
        { name: 'later_bridges', key: ['ifname'] },
      ],
      chains: definition.chains.map((chain) =>
        chain.name === 'forward' ? { ...chain, rules: [rule, ...chain.rules] } : chain,
      ),
    }
  }
  const changed = (each: Resource): Resource => {
    if (each.kind !== 'table' || !each.definition.owned) return each
    return { kind: 'table', definition: owned(each.definition) } satisfies TableResource
  }
  const element = (family: 'inet' | 'bridge', set: string, key: string, owner: string) =>
    ({ kind: 'element', family, table: 'cnm', set, key: [key], owner }) satisfies ElementResource
  return {
    ...base,
    describeHost: (networks, view) => base.describeHost!(networks, view).map(changed),
    describeNetwork: (network, view) => [
      ...base.describeNetwork(network, view),
      element('inet', 'later_bridges', `br-${shortId(network.id, 10)}`, network.id),
    ],
    describeEndpoint: (network, endpoint, view) => [
      ...base.describeEndpoint(network, endpoint, view),
      element('bridge', 'later_ports', `veth${shortId(endpoint.id, 10)}`, endpoint.id),
    ],
  }
}

/** Thousands of pings, two milliseconds apart; how many came back. */
async function flood({ host }: EngineRig, from: KnownLocalSandbox, to: string): Promise<string> {
  const netns = join(host.folder, 'run', 'netns', from.id.slice(0, 12))
  const argv = ['ping', '-q', '-i', '0.002', '-c', '4000', '-W', '20', to] as const
  const said = await host.inside(netns, argv, { timeoutMs: 90_000 })
  return /(\d+ packets transmitted, \d+ received)/.exec(said)?.[1] ?? said
}

it.each([0, 1])(
  'a firewall with other rules and sets is rolled out and back under traffic (call-iptables %i)',
  {
    timeout: 240_000,
  },
  async (call) => {
    await using rig = await engineRig({ internet: true })
    await rig.host.sh(
      `for f in iptables ip6tables; do echo ${call} > /proc/sys/net/bridge/bridge-nf-call-$f; done`,
    )
    const first = await rig.start()
    for (const name of ['web', 'back']) {
      const network = await first.createNetwork({ name })
      for (const box of ['a', 'b']) {
        await (await first.createSandbox({ name: `${name}-${box}` })).connect(network)
      }
    }
    const box = (name: string) => first.now.sandbox(name)
    const floods = [
      flood(rig, box('web-a'), await addressOf(box('web-b'))),
      flood(rig, box('back-a'), await addressOf(box('back-b'))),
      flood(rig, box('web-a'), '198.51.100.1'),
      flood(rig, box('back-b'), '198.51.100.1'),
    ]
    let isOver = false
    const over = Promise.all(floods).then((all) => {
      isOver = true
      return all
    })
    await first.close()
    const second = await rig.start({ drivers: [later] })
    expect(await second.doctor()).toEqual([])
    const table = await rig.host.nft('list table inet cnm')
    expect(table.match(/later_bridges \{[^}]*\}/)?.[0].match(/br-/g)).toHaveLength(2)
    expect(table.match(/masquerade4 \{[^}]*\}/)?.[0]).toMatch(/timeout/)
    expect(table.match(/masquerade4 \{[^}]*\}/)?.[0].match(/br-/g)).toHaveLength(2)
    expect((await rig.host.nft('list set bridge cnm later_ports')).match(/veth/g)).toHaveLength(4)
    await second.close()
    const third = await rig.start()
    expect(await third.doctor()).toEqual([])
    expect(await rig.host.nft('list table inet cnm')).not.toContain('later')
    const isUnderTraffic = !isOver
    expect(await over).toEqual(floods.map(() => '4000 packets transmitted, 4000 received'))
    expect(isUnderTraffic, 'the rollout took longer than the traffic').toBe(true)
    expect(rig.problems).toEqual([])
    await third.down()
    expect(await rig.host.nft('list ruleset')).not.toContain('cnm')
  },
)
