import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LocalSandbox } from '#dist/linux/library.js'
import { addressOf, reaches } from '../support/engine-rig.ts'
import { type Content, sendFrames, udp4, udp6 } from '../support/frames.ts'
import { lan, type PacketWorld, type Place, packetWorld } from '../support/packet-world.ts'

// Whose packets the host and its connections get, told by counters of another table: just before ours, and just
// behind.

describe.each([0, 1] as const)('with bridge-nf-call-iptables=%i', (callIptables) => {
  let world: PacketWorld

  beforeAll(async () => {
    world = await packetWorld({ callIptables, forwards: true })
    await world.host.sh(
      'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0',
    )
  })

  afterEach(() => world.clear())

  afterAll(() => world?.[Symbol.asyncDispose]())

  /** How many of these packets come to the host, and how many pass our rules. */
  async function passing(from: LocalSandbox | Place, link: string, contents: readonly Content[]) {
    const chain = (name: string, priority: number) =>
      `chain ${name} { type filter hook prerouting priority ${priority}; udp dport 9 counter; }`
    const input = `table inet t {\n${chain('before', -302)}\n${chain('behind', -298)}\n}`
    await world.host.inside(world.host.netns, ['nft', '-f', '-'], { input })
    const counted = async (name: string) =>
      Number(/packets (\d+)/.exec(await world.host.nft(`list chain inet t ${name}`))?.[1])
    try {
      const sent = contents.map((content) => ({ from: '02:00:00:00:00:09', ...content }))
      sendFrames(await world.path(from), link, sent)
      await expect.poll(() => counted('before')).toBe(contents.length)
      return await counted('behind')
    } finally {
      await world.host.nft('delete table inet t')
    }
  }

  const network = (options = {}) =>
    world.engine.createNetwork({
      name: 'web',
      subnets: ['10.7.0.0/24', 'fd00:7::/64'],
      ...options,
    })

  it('nobody on a network is the host', async () => {
    await network()
    await world.host.ip('addr add 10.7.0.200/32 dev lo')
    const connect = { network: 'web', addresses: 'any', macs: 'any' } as const
    const box = await world.createSandbox('box', { connect: [connect] })
    const hosts = [
      udp4('10.7.0.1', lan.address4),
      udp4('10.7.0.200', lan.address4),
      udp4(lan.address4, lan.address4),
      udp6('fd00:7::1', lan.address6),
      udp6(lan.address6, lan.address6),
    ]
    expect(await passing(box, 'eth0', hosts)).toBe(0)
    const own = [udp4('10.7.0.77', lan.address4), udp6('fd00:7::77', lan.address6)]
    expect(await passing(box, 'eth0', own)).toBe(2)
    await world.host.ip('addr del 10.7.0.200/32 dev lo')
  })

  it('nobody on an adopted bridge is the host', async () => {
    const path = await world.host.createNamespace('theirs')
    await world.host.sh(`
      ip link add br-theirs type bridge
      ip addr add 10.6.0.1/24 dev br-theirs
      ip link set br-theirs up
      ip link add port type veth peer name eth0 netns ${path}
      ip link set port up master br-theirs`)
    await world.host.inside(path, ['ip', 'link', 'set', 'eth0', 'up'])
    await world.engine.createNetwork({ name: 'theirs', options: { bridge: 'br-theirs' } })
    const from = 'theirs' as Place
    const hosts = [udp4('10.6.0.1', lan.address4), udp4(lan.address4, lan.address4)]
    expect(await passing(from, 'eth0', hosts)).toBe(0)
    const anybody = [udp4('10.6.0.7', lan.address4), udp4('192.0.2.7', lan.address4)]
    expect(await passing(from, 'eth0', anybody)).toBe(2)
    const box = await world.createSandbox('box', { connect: [{ network: 'theirs' }] })
    expect(await passing(box, 'eth0', [])).toBe(0)
    expect(await reaches(box, '10.6.0.1')).toBe(true)
    await world.clear()
    await world.host.sh('ip link del br-theirs; ip link del port')
  })

  it('nobody comes over a wire with an address of a network', async () => {
    await network()
    const box = await world.createSandbox('box', { connect: [{ network: 'web' }] })
    const forged = [
      udp4(await addressOf(box), lan.address4),
      udp4('10.7.0.1', lan.address4),
      udp4('10.7.0.9', await addressOf(box)),
      udp6(await addressOf(box, 'ipv6'), lan.address6),
    ]
    expect(await passing('lan', 'eth0', forged)).toBe(0)
    const others = [udp4('10.8.0.9', lan.address4), udp6('2001:db8:1::9', lan.address6)]
    expect(await passing('lan', 'eth0', others)).toBe(2)
    // The host talks to itself by them.
    for (const to of ['10.7.0.1', 'fd00:7::1']) {
      await world.host.inside(world.host.netns, ['ping', '-c1', '-W2', '-I', to, to])
    }
    expect(await reaches(box, lan.remote4)).toBe(true)
  })

  it('but where the network is not on a bridge of ours alone', async () => {
    const auxAddresses = { DefaultGatewayIPv4: '10.9.0.9' }
    const subnets = [{ subnet: '10.9.0.0/24', auxAddresses }, 'fd00:9::/64']
    await world.engine.createNetwork({ name: 'aux', subnets })
    const contents = [udp4('10.9.0.7', lan.address4), udp6('fd00:9::7', lan.address6)]
    expect(await passing('lan', 'eth0', contents)).toBe(1)
  })

  it('an address outside of the network, given to an endpoint, gets out', async () => {
    await network()
    const connect = { network: 'web', addresses: ['192.0.2.99', '2001:db8:9::1'] } as const
    const [box, other] = [
      await world.createSandbox('box', { connect: [connect] }),
      await world.createSandbox('other', { connect: [connect] }),
    ]
    for (const each of [box, other]) {
      const mac = JSON.parse((await each.exec(['ip', '-j', 'link', 'show', 'eth0'])).stdout)[0]
        .address
      const given = [udp4('192.0.2.99', lan.address4), udp6('2001:db8:9::1', lan.address6)]
      const sent = given.map((content) => ({ ...content, from: mac as string }))
      expect(await passing(each, 'eth0', sent)).toBe(2)
    }
    expect(await world.engine.doctor()).toEqual([])
  })

  it('a sandbox that was changed into another one is still itself when the records are lost', async () => {
    await network()
    const connect = { network: 'web', addresses: ['10.7.0.100'] }
    const box = await world.createSandbox('box', { connect: [connect] })
    const other = await world.createSandbox('other', { connect: [{ network: 'web' }] })
    const [own, their] = [box, other].map(
      (each) => world.engine.now.endpoints({ sandbox: each.id })[0]!.info,
    )
    const link = JSON.parse((await other.exec(['ip', '-j', 'link', 'show', 'eth0'])).stdout)[0]
    const [path, id] = [await world.path(box), (await box.endpoints())[0]!.id]
    const inside = (args: string) => world.host.inside(path, ['ip', ...args.split(' ')])
    await inside(`link set eth0 address ${link.address}`)
    await inside('addr flush dev eth0 scope global')
    await inside(`addr add ${their!.ipv4}/24 dev eth0`)
    await world.engine.close()
    await world.host.sh(`rm -rf ${world.rig.options.runDir}/records`)
    await world.start()
    const found = await world.engine.endpoint(id).inspect()
    expect(found).toMatchObject({ ipv4: own!.ipv4, ipv6: own!.ipv6, addresses: ['10.7.0.100'] })
    expect(found.mac).not.toBe(link.address)
    expect(await world.engine.endpoint(their!.id).inspect()).toMatchObject({ ipv4: their!.ipv4 })
  })

  it('a sandbox whose MAC or address was changed inside falls silent, and is mended', async () => {
    await network()
    const box = await world.createSandbox('box', { connect: [{ network: 'web' }] })
    await world.createSandbox('other', { connect: [{ network: 'web' }] })
    const inside = async (args: string) =>
      world.host.inside(await world.path(box), ['ip', ...args.split(' ')])
    expect(await reaches(box, '10.7.0.1')).toBe(true)
    for (const [change, detail] of [
      ['link set eth0 address 02:00:00:00:00:77', 'eth0 in'],
      ['addr del 10.7.0.2/24 dev eth0', 'no address 10.7.0.2/24 on eth0'],
    ] as const) {
      await inside(change)
      await inside('addr replace 10.7.0.77/24 dev eth0')
      expect(await reaches(box, '10.7.0.1')).toBe(false)
      const found = await world.engine.doctor()
      expect(found.map((it) => it.detail).join()).toContain(detail)
      expect(found.map((it) => it.detail).join()).toContain('sandbox "box"')
      expect((await world.engine.statistics()).endpoints).toHaveLength(2)
      // Or the other one, being its second one, would go with it.
      await inside('addr del 10.7.0.77/24 dev eth0')
      expect((await world.engine.doctor({ fix: true })).every(({ mended }) => mended)).toBe(true)
      expect(await reaches(box, '10.7.0.1')).toBe(true)
      expect(await world.engine.doctor()).toEqual([])
    }
  })
})
