import { expect, it } from 'vitest'
import { addressOf, engineRig, reaches } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'
import { ask, serve } from '../support/packets.ts'
import { eventually } from '../support/sockets.ts'

// All rules know a bridge by its name. When somebody gives it another one, nothing of it gets through any more, and
// doctor puts it right.

it.each([0, 1])('a renamed bridge lets nothing through (call-iptables %i)', async (call) => {
  await using rig = await engineRig({ internet: true })
  const { host } = rig
  const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
  await host.sh(`echo ${call} | tee ${sysctls}tables ${sysctls}6tables`)
  // A router by somebody's will, which would forward what we say nothing about.
  await host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
  for (const n of [7, 8, 9]) {
    await host.inside(host.internet, [
      'ip',
      'route',
      'add',
      `10.${n}.0.0/24`,
      'via',
      uplink.address4,
    ])
    const to6 = ['ip', 'route', 'add', `fd00:${n}::/64`, 'via', uplink.address6] as const
    await host.inside(host.internet, [...to6])
  }
  const cnm = await rig.start()
  const make = async (n: number, more: object) => {
    const subnets = [`10.${n}.0.0/24`, `fd00:${n}::/64`]
    await cnm.createNetwork({ name: `n${n}`, subnets, ipv6: true, ...more })
    const publish = n === 9 ? ['8080:80'] : []
    const box = await cnm.createSandbox({ name: `s${n}`, connect: [{ network: `n${n}`, publish }] })
    return box
  }
  const other = await make(7, {})
  const inner = await make(8, { internal: true })
  const routed = await make(9, { options: { gatewayMode4: 'nat', gatewayMode6: 'nat' } })
  // Root inside tries it all the same.
  await inner.exec(['ip', 'route', 'add', 'default', 'via', '10.8.0.1'])
  await inner.exec(['ip', 'route', 'add', 'default', 'via', 'fd00:8::1'])
  await using _ = serve((await routed.inspect()).namespace!.path, 'routed', [80])
  const published = () =>
    ask({ from: host.internet, what: 'tcp', to: uplink.address4, port: 8080 }, 3)
  expect(await published()).toMatchObject({ who: 'routed' })

  const bridges = Object.fromEntries(
    [7, 8, 9].map((n) => [n, `br-${cnm.now.network(`n${n}`).id.slice(0, 10)}`]),
  )
  for (const n of [8, 9]) await host.ip(`link set ${bridges[n]} name y${n}`)
  const tries = await Promise.all(
    (['ipv4', 'ipv6'] as const).flatMap((family) => {
      const outside = family === 'ipv4' ? uplink.gateway4 : uplink.gateway6
      const ofHost = family === 'ipv4' ? uplink.address4 : uplink.address6
      return [inner, routed].flatMap((box) => [
        reaches(box, outside),
        reaches(box, ofHost),
        addressOf(other, family).then((address) => reaches(box, address)),
        addressOf(box, family).then((address) => reaches(other, address)),
      ])
    }),
  )
  expect(tries).toEqual(tries.map(() => false))
  expect(await published()).toBeUndefined()
  // What somebody sends into it from outside doesn't get there either.
  const count =
    'table inet t { chain c { type filter hook postrouting priority 300; oifname { "y8", "y9" } meta iifname != "lo" counter; }; }'
  await host.inside(host.netns, ['nft', '-f', '-'], { input: count })
  for (const n of [8, 9]) {
    const ping = ['ping', '-c2', '-i0.2', '-W1', await addressOf(n === 8 ? inner : routed)] as const
    await host.inside(host.internet, [...ping]).catch(() => {})
  }
  expect(await host.nft('list table inet t')).toContain('packets 0')

  const findings = await cnm.doctor({ fix: true })
  expect(findings.filter(({ mended }) => !mended)).toEqual([])
  expect(findings.map(({ detail }) => detail).join('\n')).toContain('y8')
  expect(await cnm.doctor()).toEqual([])
  await eventually(async () => (await published()) !== undefined)
  expect(await reaches(routed, uplink.gateway4)).toBe(true)
  expect(await reaches(inner, uplink.gateway4)).toBe(false)
  const links = await host.ip<{ ifname: string }[]>('-j link show type bridge')
  expect(links.map(({ ifname }) => ifname)).toEqual(expect.arrayContaining(Object.values(bridges)))
})
