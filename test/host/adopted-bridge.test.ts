import { expect, it } from 'vitest'
import { engineRig } from '../support/engine-rig.ts'
import { icmpv6, routerAdvertisement, sendFrames } from '../support/frames.ts'
import type { ThrowAwayHost } from '../support/host.ts'

// A bridge that somebody else has made, with a wire on it.

/** Link groups of theirs. */
const [ofBridge, ofWire] = [42, 43]

async function theirs(host: ThrowAwayHost): Promise<string> {
  const wire = await host.createNamespace('wire')
  await host.sh(`ip link add br0 address 02:00:00:00:00:0b group ${ofBridge} type bridge
    ip link add wire group ${ofWire} master br0 type veth peer name out netns ${wire}
    ip addr add 10.11.0.1/24 dev br0
    ip addr add fd00:11::1/64 dev br0 nodad
    ip link set br0 up; ip link set wire up`)
  await host.inside(wire, ['ip', 'link', 'set', 'out', 'up'])
  return wire
}

/** What there is of these two, besides what comes and goes by itself. */
async function asTheyAre(host: ThrowAwayHost) {
  const links = await host.ip<Record<string, unknown>[]>('-j -d addr')
  return links
    .filter(({ ifname }) => ifname === 'br0' || ifname === 'wire')
    .map(({ ifname, ifindex, group, master, flags, address, addr_info }) => {
      const infos = addr_info as { local: string; prefixlen: number; scope: string }[]
      const addresses = infos
        .filter(({ scope }) => scope === 'global')
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      return { ifname, ifindex, group, master, flags, address, addresses }
    })
}

it('stays, and its wire, in the groups they have, whatever becomes of the network', async () => {
  await using rig = await engineRig()
  const { host } = rig
  await theirs(host)
  const forwarding = 'cat /proc/sys/net/ipv4/conf/br0/forwarding'
  const [before, forwards] = [await asTheyAre(host), await host.sh(forwarding)]
  expect(before).toMatchObject([{ group: String(ofBridge) }, { group: String(ofWire) }])
  const network = { name: 'lan', options: { bridge: 'br0' }, ipv6: true }
  const cnm = await rig.start()
  await cnm.createNetwork(network)
  const box = await cnm.createSandbox({ connect: [{ network: 'lan' }] })
  expect(await asTheyAre(host)).toEqual(before)
  await cnm.close()

  const again = await rig.start()
  expect(await again.doctor({ fix: true })).toEqual([])
  expect(await asTheyAre(host)).toEqual(before)
  await again.sandbox(box.id).delete()
  await again.network('lan').delete()
  expect(await again.doctor({ fix: true })).toEqual([])
  await again.close()

  const last = await rig.start()
  expect(await last.doctor({ fix: true })).toEqual([])
  expect(await asTheyAre(host)).toEqual(before)
  expect(await host.sh(forwarding)).toBe(forwards)
})

it('its host believes routers on the wire, and no sandbox', async () => {
  await using rig = await engineRig()
  const { host } = rig
  const wire = await theirs(host)
  await host.sh('sysctl -qw net.ipv6.conf.br0.accept_ra=2')
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'lan', options: { bridge: 'br0' }, ipv6: true })
  const box = await cnm.createSandbox({
    connect: [{ network: 'lan', addresses: 'any', macs: 'any' }],
  })
  const advertise = (path: string, link: string, prefix: string) => {
    const router = icmpv6('fe80::66', 'ff02::1', routerAdvertisement(prefix))
    const addresses = { from: '02:66:66:66:66:66', to: '33:33:00:00:00:01' }
    sendFrames(path, link, [{ ...router, ...addresses }])
  }
  advertise((await box.inspect()).namespace!.path, 'eth0', '2001:db8:66::')
  advertise(wire, 'out', '2001:db8:7::')
  const believed = () => host.sh('ip -6 route show proto ra dev br0; ip -6 -o addr show dev br0')
  await expect.poll(believed).toContain('2001:db8:7:')
  expect(await believed()).not.toContain('2001:db8:66:')
  expect((await believed()).match(/^default/gm)).toHaveLength(1)
})
