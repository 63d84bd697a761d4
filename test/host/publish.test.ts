import { expect, it } from 'vitest'
import { close } from '#dist/kernel/linux/ffi/file.js'
import {
  type IpAddress,
  isCnmError,
  type KnownLocalEndpoint,
  type LocalController,
} from '#dist/linux/library.js'
import { cliHost } from '../support/cli-host.ts'
import { type EngineRig, engineRig } from '../support/engine-rig.ts'
import { bindPort, canReservePorts, ownName } from '../support/ports.ts'

const reserving = canReservePorts()

async function onWeb(
  cnm: LocalController,
  publish: readonly string[] = [],
): Promise<KnownLocalEndpoint> {
  await cnm.ensureNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  const box = await cnm.createSandbox({ connect: [{ network: 'web', publish }] })
  return (await box.endpoints())[0]!
}

/** Whether a process of the host can have that port. */
function canBind(rig: EngineRig, port: number, address = '0.0.0.0'): boolean {
  try {
    close(bindPort(rig.host.netns, { protocol: 'tcp', address: address as IpAddress, port }))
    return true
  } catch {
    return false
  }
}

function elements(rig: EngineRig, set: string): Promise<string> {
  return rig.host.nft(`list map inet cnm ${set}`)
}

it.skipIf(!reserving)(
  'keeps processes of the host from the ports, and only from these',
  async () => {
    await using rig = await engineRig()
    const endpoint = await onWeb(await rig.start(), ['8000-8009:8000-8009', '127.0.0.1:7000:80'])
    const free = (...ports: number[]) => ports.filter((port) => canBind(rig, port))
    expect(free(7999, 8000, 8005, 8009, 8010, 7000)).toEqual([7999, 8010])
    expect(canBind(rig, 8005, '::')).toBe(false)
    await endpoint.unpublish(['8004-8005:8004-8005'])
    expect(free(8003, 8004, 8005, 8006)).toEqual([8004, 8005])
    await endpoint.publish(['8005:1'])
    expect(free(8003, 8004, 8005, 8006)).toEqual([8004])
    await endpoint.leave()
    expect(free(8000, 8003, 8005, 8009, 7000)).toHaveLength(5)
  },
)

it.skipIf(!reserving)(
  'holds the ports of an endpoint while the default route is elsewhere',
  async () => {
    await using rig = await engineRig()
    const cnm = await rig.start()
    const endpoint = await onWeb(cnm, ['8080:80'])
    const back = await cnm.createNetwork({ name: 'back', ipv6: true })
    const box = cnm.sandbox((await endpoint.inspect()).joined!.sandbox)
    const states = async () => (await endpoint.inspect()).ports.map(({ state }) => state)
    const second = await box.connect(back, { gwPriority: 1, publish: ['9090:90'] })
    expect(await states()).toEqual(['pending', 'pending'])
    expect(canBind(rig, 8080)).toBe(false)
    expect(await elements(rig, 'published4')).toMatch(/9090.*: .* 90/)
    expect(await elements(rig, 'published4')).not.toContain('8080')
    await second.leave()
    expect(await states()).toEqual(['active', 'active'])
    expect(await elements(rig, 'published4')).toMatch(/8080.*: .* 80/)
    expect(canBind(rig, 8080)).toBe(false)
  },
)

it('names the process that has a port, or takes another where it may', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const sockets = [8080, 32768, 32769].map((port) => {
    const address = '0.0.0.0' as IpAddress
    return bindPort(rig.host.netns, { protocol: 'tcp', address, port })
  })
  try {
    const failure = await onWeb(cnm, ['8080:80']).catch((error: unknown) => error)
    expect(isCnmError(failure, 'PORT_IN_USE')).toBe(true)
    const who = `${ownName()} (pid ${process.pid})`
    expect(String(failure)).toContain(`of network "web": port 8080/tcp is held by ${who}`)
    expect(await cnm.sandboxes()).toEqual([])
    const endpoint = await onWeb(cnm, ['8080-8081:80', '81'])
    const [ranged, , any] = (await endpoint.inspect()).ports.map(({ hostPorts }) => hostPorts?.from)
    expect(ranged).toBe(8081)
    expect(any).toBeGreaterThan(32769)
  } finally {
    for (const fd of sockets) close(fd)
  }
})

it('leaves nothing on the machine, and finds the ports again after a restart', async () => {
  await using rig = await engineRig()
  const first = await rig.start()
  const endpoint = await onWeb(first, ['20000-29999:20000-29999', '8000-8001:80-81', '53/udp'])
  const ports = (await endpoint.inspect()).ports
  const { stdout } = { stdout: await rig.host.nft('list table inet cnm') }
  await first.close()
  const second = await rig.start()
  expect(await second.doctor()).toEqual([])
  expect((await second.endpoint(endpoint.id).inspect()).ports).toEqual(ports)
  expect(await rig.host.nft('list table inet cnm')).toBe(stdout)
  for (const box of await second.sandboxes()) await box.delete()
  await second.network('web').delete()
  await second.settled()
  expect((await rig.host.nft('list ruleset')).trim()).toBe('')
  expect([8000, 20000, 29999].map((port) => canBind(rig, port))).toEqual([true, true, true])
})

it('gives the link its sysctls and further addresses', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const box = await cnm.createSandbox()
  const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  await box.connect(web, {
    interfaceName: 'up.link',
    linkLocal: ['169.254.7.7', 'fe80::7'],
    sysctls: {
      'net.ipv4.conf.IFNAME.log_martians': '1',
      'net.ipv6.neigh.IFNAME.ucast_solicit': '7',
    },
  })
  const read = async (path: string) =>
    (await box.exec(['cat', `/proc/sys/net/${path}`])).stdout.trim()
  expect(await read('ipv4/conf/up.link/log_martians')).toBe('1')
  expect(await read('ipv6/neigh/up.link/ucast_solicit')).toBe('7')
  const { stdout } = await box.exec(['ip', 'address', 'show', 'up.link'])
  expect(stdout).toContain('inet 169.254.7.7/16')
  expect(stdout).toContain('inet6 fe80::7/64')
  expect(await cnm.doctor()).toEqual([])
  const missing = { 'net.ipv4.conf.IFNAME.no_such_thing': '1' }
  const refused = cnm.createSandbox({ connect: [{ network: 'web', sysctls: missing }] })
  await expect(refused).rejects.toThrow('no_such_thing')
})

it('publishes for "cnm run" on its first network, whatever the others are called', async () => {
  await using cli = await cliHost()
  const list = 'nsenter --net=/proc/$PPID/ns/net nft list map inet cnm published4'
  const networks = ['--network', 'web', '--network', 'a']
  const ports = ['-p', '8080:80', '-p', '8081-8082:81', '--expose', '53/udp', '-P']
  const output = await cli.ok('run', ...networks, ...ports, '--', 'sh', '-c', list)
  expect(output).toMatch(/tcp \. 8080 .*: 10\.\d+\.\d+\.\d+ \. 80\b/)
  expect(output).toMatch(/tcp \. 8081 .*: 10\.\d+\.\d+\.\d+ \. 81\b/)
  expect(output).toMatch(/udp \. 3\d\d\d\d .*: 10\.\d+\.\d+\.\d+ \. 53\b/)
  const { code, err } = await cli.cnm('run', '-p', '::1:80:80', '--', 'true')
  expect(err).toContain('cnm: "::1:80:80" can\'t be published')
  expect(code).toBe(2)
})
