import { expect, it, vi } from 'vitest'
import { ask, startEcho } from '../support/echo.ts'
import { type EngineRig, engineRig, reaches } from '../support/engine-rig.ts'
import { linkLocal, uplink } from '../support/host.ts'

vi.setConfig({ testTimeout: 300_000 })

// Which links lead to the world, so that others are asked to let pass what goes there, and which don't.

const lan = { host4: '10.50.0.1', peer4: '10.50.0.2', host6: 'fd50::1', peer6: 'fd50::2' }
const commands = ['iptables-nft', 'ip6tables-nft']

/** A link without a default route, with somebody behind it who has one, and a filter like Docker's. */
async function scene(rig: EngineRig, options = {}) {
  const { host } = rig
  const path = await host.createNamespace('lan')
  await host.ip(`link add lan type veth peer name eth0 netns ${path}`)
  const lines = (link: string, number: number, address4: string, address6: string) => [
    ...linkLocal(link, number),
    `addr add ${address4}/24 dev ${link}`,
    `addr add ${address6}/64 dev ${link} nodad`,
    `link set ${link} up`,
  ]
  const outside = lines('lan', 1, lan.host4, lan.host6)
  const inside = [
    ...lines('eth0', 2, lan.peer4, lan.peer6),
    `route add default via ${lan.host4}`,
    `route add default via ${lan.host6}`,
  ]
  await host.inside(host.netns, ['ip', '-batch', '-'], { input: outside.join('\n') })
  await host.inside(path, ['ip', '-batch', '-'], { input: inside.join('\n') })
  const rules = ['-P FORWARD DROP', '-N DOCKER-USER', '-I FORWARD -j DOCKER-USER']
  await host.sh(commands.flatMap((it) => rules.map((rule) => `${it} ${rule}`)).join(' && '))
  const cnm = await rig.start(options)
  await cnm.createNetwork({ name: 'web', ipv6: true })
  await cnm.createNetwork({ name: 'inner', ipv6: true, internal: true })
  const box = await cnm.createSandbox({ connect: [{ network: 'web', publish: ['7777:7777'] }] })
  const all = (...addresses: string[]) => Promise.all(addresses.map((it) => reaches(box, it)))
  return {
    cnm,
    path,
    box,
    toLan: () => all(lan.peer4, lan.peer6),
    toWorld: () => all(uplink.gateway4, uplink.gateway6),
    blocked: async () => (await cnm.doctor()).filter(({ kind }) => kind === 'blocked'),
  }
}

it('leaves a link without a default route to others, and doctor names it with the way out', async () => {
  await using rig = await engineRig({ internet: true })
  const { cnm, path, box, toLan, toWorld, blocked } = await scene(rig)
  expect(await toWorld()).toEqual([true, true])
  expect(await toLan()).toEqual([false, false])
  // Who asks from there is answered.
  await using _ = await startEcho((await box.inspect()).namespace!.path)
  expect(await ask(path, 'tcp', lan.host4)).toBe(lan.peer4)
  expect(await ask(path, 'tcp', lan.host6)).toBe(lan.peer6)
  const bridge = `br-${cnm.now.network('web').id.slice(0, 10)}`
  const found = await blocked()
  expect(found.map(({ detail }) => detail)).toEqual([
    `chain ip filter FORWARD drops what goes from ${bridge} to lan: no default route leads there, so that is for others to decide`,
    `chain ip6 filter FORWARD drops what goes from ${bridge} to lan: no default route leads there, so that is for others to decide`,
  ])
  expect(found.map(({ remedy }) => remedy)).toEqual([
    `iptables -I DOCKER-USER -i ${bridge} -o lan -j ACCEPT`,
    `ip6tables -I DOCKER-USER -i ${bridge} -o lan -j ACCEPT`,
  ])
  for (const { remedy } of found) await rig.host.sh(remedy!.replace('tables', 'tables-nft'))
  expect(await toLan()).toEqual([true, true])
  expect(await cnm.doctor()).toEqual([])
})

it('follows default routes, in whichever table they are', async () => {
  await using rig = await engineRig({ internet: true })
  const { toLan, toWorld, blocked } = await scene(rig)
  const { host } = rig
  const becomes = (tried: () => Promise<boolean[]>, ...ways: boolean[]) =>
    expect.poll(tried).toEqual(ways)
  // As a VPN does: a table of its own.
  await host.ip(`route add default via ${lan.peer4} table 51820`)
  await becomes(toLan, true, false)
  expect(await blocked()).toHaveLength(1)
  await host.ip(`-6 route add default via ${lan.peer6} table 51820`)
  await becomes(toLan, true, true)
  expect(await blocked()).toEqual([])
  await host.ip('route flush table 51820')
  await host.ip('-6 route flush table 51820')
  await becomes(toLan, false, false)
  // Or two halves beside the default route; and of several ways each counts.
  await host.ip(`route add 0.0.0.0/1 via ${lan.peer4}`)
  await host.ip(`-6 route add 2000::/3 via ${lan.peer6} metric 9999`)
  await becomes(toLan, true, true)
  await host.ip('route del 0.0.0.0/1')
  await host.ip('-6 route del 2000::/3')
  await becomes(toLan, false, false)
  const hops = `nexthop via ${lan.peer4} nexthop via ${uplink.gateway4}`
  await host.ip(`route replace default ${hops}`)
  await becomes(toLan, true, false)
  // Where nothing leads to the world any more, nothing is asked for.
  await host.ip('route del default')
  await becomes(toWorld, false, true)
  await becomes(toLan, false, false)
})

it('is shared by all networks, and gone with the last', async () => {
  await using rig = await engineRig({ internet: true })
  const cnm = await rig.start()
  const inSet = async () => {
    const set = await rig.host.nft('list set inet cnm outward')
    return [...set.matchAll(/ipv[46] \. "\w+"/g)].map(([each]) => each).sort()
  }
  const one = await cnm.createNetwork({ name: 'one' })
  expect(await inSet()).toEqual(['ipv4 . "uplink"'])
  const two = await cnm.createNetwork({ name: 'two', ipv6: true })
  expect(await inSet()).toEqual(['ipv4 . "uplink"', 'ipv6 . "uplink"'])
  await one.delete()
  expect(await inSet()).toEqual(['ipv4 . "uplink"', 'ipv6 . "uplink"'])
  expect(await cnm.doctor()).toEqual([])
  await two.delete()
  expect(await rig.host.nft('list tables')).not.toContain('cnm')
})
