import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { EndpointOptions } from '../../api/endpoint-options.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { LocalController } from '../controller.ts'

async function onWeb(rig: MemoryRig, options: object = {}): Promise<LocalController> {
  const cnm = await rig.start()
  await cnm.createNetwork({
    name: 'web',
    subnets: ['10.7.0.0/24', 'fd00:7::/64'],
    options: {},
    ...options,
  })
  return cnm
}

async function connected(cnm: LocalController, options: EndpointOptions) {
  const box = await cnm.createSandbox()
  return box.connect(cnm.network('web'), options)
}

/** What is recorded of an endpoint's part of the machine. */
function resources(rig: MemoryRig, id: string): readonly Resource[] {
  const records = [...rig.contents.values()].map((text) => JSON.parse(text))
  return records.find((record) => record.kind === 'endpoint' && record.id === id)?.value.resources
}

const label = (name: string) => `com.docker.network.endpoint.${name}`

describe('link-local addresses', () => {
  it('are addresses of the link', async () => {
    const rig = new MemoryRig()
    await using cnm = await onWeb(rig)
    const linkLocal = ['169.254.7.7', 'fe80::7']
    const endpoint = await connected(cnm, { linkLocal })
    expect((await endpoint.inspect()).linkLocal).toEqual(['169.254.7.7/16', 'fe80::7/64'])
    const lines = rig.kernel.lines().join('\n')
    expect(lines).toContain('address add 169.254.7.7/16 dev eth0')
    expect(lines).toContain('address add fe80::7/64 dev eth0')
  })

  it.each(['10.7.0.9', 'fe80:1::1', 'fd00::1', 'eth0'])('are not %s', async (address) => {
    await using cnm = await onWeb(new MemoryRig())
    const refused = connected(cnm, { linkLocal: [address] })
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ADDRESS' })
  })
})

describe('a rate', () => {
  it('limits both directions, and can be changed', async () => {
    const rig = new MemoryRig()
    await using cnm = await onWeb(rig)
    const endpoint = await connected(cnm, { rate: { toSandbox: '1.5gbit', fromSandbox: 8000 } })
    const rate = () => resources(rig, endpoint.id).find(({ kind }) => kind === 'rate')
    expect(rate()).toMatchObject({ toSandbox: 1.5e9, fromSandbox: 8000 })
    await endpoint.update({ rate: { fromSandbox: '100Mbit' } })
    expect((await endpoint.inspect()).rate).toEqual({ fromSandbox: 1e8 })
    expect(rate()).toMatchObject({ fromSandbox: 1e8 })
    expect(rate()).not.toHaveProperty('toSandbox')
    await endpoint.update({ rate: {} })
    expect([rate(), (await endpoint.inspect()).rate]).toEqual([undefined, undefined])
    await endpoint.update({})
    expect(await cnm.doctor()).toEqual([])
  })

  it.each(['7kbit', '101gbit', '1 mbit', 'fast', '', '1e6', -1, Number.NaN])(
    'is not %j',
    async (toSandbox) => {
      await using cnm = await onWeb(new MemoryRig())
      await expect(connected(cnm, { rate: { toSandbox } })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      })
    },
  )
})

describe('sysctls', () => {
  const name = 'net.ipv4.conf.IFNAME.log_martians'

  it('are those of the link, whatever it is called', async () => {
    const rig = new MemoryRig()
    await using cnm = await onWeb(rig)
    const sysctls = { [name]: '1' }
    const endpoint = await connected(cnm, { sysctls, interfaceName: 'up.link' })
    expect(rig.kernel.lines().join('\n')).toContain('net/ipv4/conf/up.link/log_martians')
    expect((await endpoint.inspect()).sysctls).toEqual(sysctls)
  })

  it('can be given as Docker’s label', async () => {
    await using cnm = await onWeb(new MemoryRig())
    const list = `${name}=1,net.ipv6.neigh.IFNAME.gc_stale_time=5`
    const options = { [label('sysctls')]: list }
    const endpoint = await connected(cnm, { options, sysctls: { [name]: '1' } })
    expect((await endpoint.inspect()).sysctls).toEqual({
      [name]: '1',
      'net.ipv6.neigh.IFNAME.gc_stale_time': '5',
    })
    const other = connected(cnm, { options, sysctls: { [name]: '0' } })
    await expect(other).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(name),
    })
  })

  it.each([
    ['net.ipv4.ip_forward', '1'],
    ['net.ipv4.conf.all.log_martians', '1'],
    ['net.core.somaxconn.IFNAME.x', '1'],
    ['net.ipv4.conf.IFNAME./../x', '1'],
    [name, ''],
    [name, '1\n2'],
  ])('are not %j = %j', async (key, value) => {
    await using cnm = await onWeb(new MemoryRig())
    await expect(connected(cnm, { sysctls: { [key]: value } })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })
})

describe('Docker’s labels of an endpoint', () => {
  it('mean our options', async () => {
    await using cnm = await onWeb(new MemoryRig())
    const mac = '02:00:00:00:00:07'
    const options = { [label('ifname')]: 'lan', [label('macaddress')]: mac.toUpperCase() }
    const endpoint = await connected(cnm, { options, mac })
    expect(await endpoint.inspect()).toMatchObject({ mac, joined: { link: 'lan' } })
  })

  it.each([
    [{ options: { 'com.example.x': '1' } }, 'unknown option "com.example.x"'],
    [{ options: { [label('ifname')]: 'a' }, interfaceName: 'b' }, 'interfaceName is "b"'],
    [{ options: { [label('sysctls')]: 'x' } }, '"x" sets no sysctl'],
  ])('are refused: %j', async (options, message) => {
    await using cnm = await onWeb(new MemoryRig())
    await expect(connected(cnm, options)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(message),
    })
  })
})

describe('links', () => {
  it('are endpoints of the same network, and end with them', async () => {
    const rig = new MemoryRig()
    await using cnm = await onWeb(rig, { options: { icc: false } })
    const db = await connected(cnm, { name: 'db' })
    const bare = () => rig.kernel.lines().filter((line) => /add element .* pairs/.test(line))
    expect(bare()).toEqual([])
    const one = await connected(cnm, { name: 'one', links: ['db'] })
    const two = await connected(cnm, { name: 'two', links: [db.id] })
    expect([(await one.inspect()).links, (await two.inspect()).links]).toEqual([[db.id], [db.id]])
    expect(bare().length).toBeGreaterThan(0)
    await two.delete()
    await db.delete()
    await expect.poll(bare).toEqual([])
    expect(await cnm.doctor()).toEqual([])
  })

  it('are not endpoints of another network', async () => {
    await using cnm = await onWeb(new MemoryRig())
    await cnm.createNetwork({ name: 'back' })
    await cnm.createSandbox({ name: 'db', connect: [{ network: 'back' }] })
    await expect(connected(cnm, { links: ['db'] })).rejects.toMatchObject({
      code: 'ENDPOINT_NOT_FOUND',
      message: 'network "web" has no endpoint "db"',
    })
  })
})

describe('an address that moves to another MAC', () => {
  const ip = '10.7.0.7'
  const announced = (rig: MemoryRig, id: string) =>
    resources(rig, id).flatMap((each) => (each.kind === 'announcement' ? [each.address] : []))

  it('is announced', async () => {
    const rig = new MemoryRig()
    await using cnm = await onWeb(rig)
    const first = await connected(cnm, { ip, name: 'first' })
    expect(announced(rig, first.id)).toEqual([])
    await first.delete()
    const given = await connected(cnm, { ip, mac: '02:00:00:00:00:07' })
    const { ipv6 } = await given.inspect()
    expect(announced(rig, given.id)).toEqual([ip, ipv6])
    await given.delete()
    const moved = await connected(cnm, { ip, ip6: ipv6 })
    expect((await moved.inspect()).moved).toBe(true)
    expect(announced(rig, moved.id)).toEqual([ip, ipv6])
    await moved.delete()
    const later = await connected(cnm, { ip, ip6: ipv6 })
    expect(announced(rig, later.id)).toEqual([])
  })
})

describe('Docker’s generic labels of a network', () => {
  const generic = (name: string) => `com.docker.network.${name}`

  it('are fields of every network', async () => {
    await using cnm = await new MemoryRig().start()
    const network = await cnm.createNetwork({
      name: 'web',
      options: {
        [generic('enable_ipv4')]: 'false',
        [generic('enable_ipv6')]: true,
        [generic('internal')]: '1',
      },
    })
    const { ipv4, ipv6, internal, options } = await network.inspect()
    expect([ipv4 === undefined, ipv6 !== undefined, internal]).toEqual([true, true, true])
    expect(Object.keys(options).filter((key) => key.startsWith('com.'))).toEqual([])
    const again = { name: 'web', options: { [generic('internal')]: 'true' }, internal: true }
    expect((await cnm.ensureNetwork(again)).id).toBe(network.id)
  })

  it('do not say other than the field', async () => {
    await using cnm = await new MemoryRig().start()
    const options = { [generic('internal')]: 'true' }
    await expect(cnm.createNetwork({ name: 'x', internal: false, options })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('internal is false'),
    })
    const unclear = { [generic('internal')]: 'perhaps' }
    await expect(cnm.createNetwork({ name: 'x', options: unclear })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })
})

describe('a network in which the host has no address', () => {
  it('has no gateway, now and after a restart', async () => {
    const rig = new MemoryRig()
    const first = await rig.start()
    const options = { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' }
    await first.createNetwork({ name: 'alone', subnets: ['10.7.0.0/24'], internal: true, options })
    expect((await first.network('alone').inspect()).ipv4).toEqual({ subnet: '10.7.0.0/24' })
    await first.close()
    const machine = rig.snapshot()
    await using second = await rig.start()
    expect(rig.snapshot()).toEqual(machine)
    const connect = [{ network: 'alone', ip: '10.7.0.1' }]
    const box = await second.createSandbox({ connect })
    expect((await (await box.endpoints())[0]?.inspect())?.ipv4).toBe('10.7.0.1')
  })
})

it.each([{ rate: { toSandbox: 1e6 } }, { linkLocal: ['169.254.1.1'] }])(
  'refuses %j where there is no link',
  async (options) => {
    await using cnm = await new MemoryRig().start()
    const box = await cnm.createSandbox()
    await expect(box.connect(cnm.network('none'), options)).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      message: expect.stringContaining(`so it can have no ${Object.keys(options)[0]}`),
    })
  },
)
