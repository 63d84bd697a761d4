import { expect, it, vi } from 'vitest'
import { hasDocker } from '../support/docker-daemon.ts'
import { DockerPluginRig } from '../support/docker-plugin-rig.ts'

// What users of Docker do, with a real dockerd whose networks are ours.

vi.setConfig({ testTimeout: 180_000 })

/** A container that serves a file `/id` with its name. */
const server = (name: string) => [
  'idle',
  'sh',
  '-c',
  `cd /bin && echo ${name} > id && exec httpd -f -p 80`,
]

it.skipIf(!hasDocker)('runs containers on our networks, by name and published port', async () => {
  await using rig = await DockerPluginRig.start()
  const { docker, host } = rig
  const run = (name: string, ...options: string[]) =>
    docker.docker('run', '-d', '--name', name, ...options, ...server(name))
  const ask = (from: string, url: string) => docker.docker('exec', from, 'wget', '-qO-', url)

  const subnet = ['--subnet', '10.9.0.0/24', '--ip-range', '10.9.0.128/25']
  const aux = ['--gateway', '10.9.0.254', '--aux-address', 'printer=10.9.0.129']
  const own = ['-d', 'cnm', '--ipam-driver', 'cnm']
  const id = await docker.docker('network', 'create', ...own, ...subnet, ...aux, 'web')
  expect(await rig.known('networks')).toMatchObject([
    {
      id,
      name: `docker-${id.slice(0, 12)}`,
      ipv4: {
        subnet: '10.9.0.0/24',
        range: '10.9.0.128/25',
        gateway: '10.9.0.254',
        auxAddresses: { printer: '10.9.0.129' },
      },
    },
  ])
  // Docker's own addresses do as well.
  await docker.docker('network', 'create', '-d', 'cnm', 'plain')

  await run('api', '--network', 'web', '-p', '8080:80', '-p', '127.0.0.1:8081:80', '-p', '80')
  await run('db', '--network', 'web', '--network-alias', 'store', '--ip', '10.9.0.7')
  await run('odd', '--network', 'plain')

  // Docker's own resolver knows the names, and what is outside is reached.
  expect(await ask('api', 'http://store/id')).toBe('db')
  expect(await ask('db', 'http://api/id')).toBe('api')
  await docker.docker('exec', 'api', 'ping', '-c1', '-W2', '198.51.100.1')
  await expect(ask('api', 'http://odd/id')).rejects.toThrow()
  const addresses = async (name: string, network: string) => {
    const format = `{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}} {{.MacAddress}} {{.Gateway}}{{end}}`
    return docker.docker('inspect', '-f', format, name)
  }
  expect(await addresses('api', 'web')).toMatch(/^10\.9\.0\.128 02:42:\S+ 10\.9\.0\.254$/)
  expect(await addresses('db', 'web')).toMatch(/^10\.9\.0\.7 /)
  expect(await addresses('odd', 'plain')).toMatch(/^172\./)

  // Published ports are ours, without a process for each.
  const fetch = (url: string) => host.sh(`curl -sf -m 3 ${url}/id`)
  expect(await fetch('http://127.0.0.1:8080')).toBe('api\n')
  expect(await fetch('http://127.0.0.1:8081')).toBe('api\n')
  const outside = (port: number) =>
    host.inside(host.internet, ['curl', '-sf', '-m', '3', `http://198.51.100.2:${port}/id`])
  expect(await outside(8080)).toBe('api\n')
  await expect(outside(8081)).rejects.toThrow()
  const api = (await rig.known('endpoints')).find(({ ports }) => ports?.length)
  const chosen = api?.ports?.map(({ hostPorts }) => hostPorts?.from).find((from) => from! > 9000)
  expect(await outside(chosen!)).toBe('api\n')
  expect(await host.sh("ss -Hltn '( sport = :8080 or sport = :8081 )'")).toBe('')

  // Mistakes are told in one sentence, and leave nothing behind.
  const taken = await docker.try('run', '--network', 'web', '-p', '8080:80', ...server('late'))
  expect(taken.stderr).toMatch(/port 8080\/tcp is published by endpoint "[0-9a-f]{12}" of network/)
  const twice = await docker.try('run', '--network', 'web', '--ip', '10.9.0.7', ...server('two'))
  expect(twice.stderr).toContain('10.9.0.7')
  const odd = await docker.try('network', 'create', '-d', 'cnm', '-o', 'colour=red', 'x')
  expect(odd.stderr).toContain('unknown option "colour"')
  const overlap = ['--subnet', '10.9.0.128/25', 'x']
  expect((await docker.try('network', 'create', ...own, ...overlap)).stderr).toContain('overlaps')
  expect((await docker.try('network', 'rm', 'web')).stderr).toContain('has active endpoints')
  expect(await rig.known('endpoints')).toHaveLength(3)

  const containers = (await docker.docker('ps', '-aq')).split('\n')
  await docker.docker('rm', '-f', ...containers)
  expect(await rig.known('endpoints')).toEqual([])
  await docker.docker('network', 'rm', 'web', 'plain')
  await rig.expectNothingLeft()
})

it.skipIf(!hasDocker)(
  'connects and disconnects running containers, and leads ports by the way out',
  async () => {
    await using rig = await DockerPluginRig.start()
    const { docker, host } = rig
    const create = (name: string, ...options: string[]) =>
      docker.docker('network', 'create', '-d', 'cnm', '--ipam-driver', 'cnm', ...options, name)
    const label = 'com.docker.network.bridge.name=br-front'
    await create('front', '-o', label, '-o', 'com.docker.network.driver.mtu=1300')
    await create('back', '--internal', '-o', 'com.docker.network.container_iface_prefix=back')
    await create('six', '--ipv6', '--subnet', '10.6.0.0/24', '--subnet', 'fd00:6::/64')
    const inside = (name: string, ...argv: string[]) => docker.docker('exec', name, ...argv)

    await docker.docker('run', '-d', '--name', 'one', '--network', 'back', ...server('one'))
    await docker.docker('run', '-d', '--name', 'two', '--network', 'back', ...server('two'))
    // Internal: no way out, and no bridge of Docker's that would be one.
    expect(await inside('one', 'ip', 'route')).not.toContain('default')
    expect(await inside('one', 'ip', '-o', 'link')).toMatch(/^1: lo.*\n\d+: back0.*$/)
    expect(await inside('one', 'ping', '-c1', '-W2', 'two')).toContain('1 packets received')

    await docker.docker('network', 'connect', '--alias', 'web', 'front', 'one')
    expect(await inside('one', 'ip', 'route')).toContain('default via')
    expect(await inside('one', 'ip', 'link', 'show', 'eth0')).toContain('mtu 1300')
    expect(await host.ip('-br link show master br-front')).toMatch(/^veth/)
    await inside('one', 'ping', '-c1', '-W2', '198.51.100.1')
    await docker.docker('network', 'connect', 'front', 'two')
    expect(await inside('two', 'wget', '-qO-', 'http://web/id')).toBe('one')
    await docker.docker('network', 'disconnect', 'front', 'one')
    expect(await inside('one', 'ip', 'route')).not.toContain('default')
    await docker.docker('network', 'disconnect', 'front', 'two')

    // Whichever network is the way out has the ports.
    const publish = ['-p', '8080:80', '--network', 'six', '--name', 'three']
    await docker.docker('run', '-d', ...publish, ...server('three'))
    const fetch = (url: string) => host.sh(`curl -sf -m 3 ${url}/id`)
    expect(await fetch('http://127.0.0.1:8080')).toBe('three\n')
    expect(await fetch('http://[::1]:8080')).toBe('three\n')
    await inside('three', 'ping', '-c1', '-W2', '2001:db8::1')
    const published = async () => {
      const all = await rig.known('endpoints')
      return all.filter(({ ports }) => ports?.length).map(({ network }) => network)
    }
    const six = await published()
    await docker.docker('network', 'connect', 'front', 'three')
    await docker.docker('network', 'disconnect', 'six', 'three')
    expect(await published()).not.toEqual(six)
    expect(await fetch('http://127.0.0.1:8080')).toBe('three\n')

    await docker.docker('restart', '-t', '0', 'three')
    await expect.poll(() => fetch('http://127.0.0.1:8080').catch(() => '')).toBe('three\n')
    await docker.docker('rm', '-f', 'one', 'two', 'three')
    await docker.docker('network', 'rm', 'front', 'back', 'six')
    await rig.expectNothingLeft()
  },
)

it.skipIf(!hasDocker)(
  'gives containers the addresses and the MACs that they are to have',
  async () => {
    await using rig = await DockerPluginRig.start()
    const { docker, host } = rig
    const own = ['-d', 'cnm', '--ipam-driver', 'cnm', '--subnet', '10.9.0.0/24']
    await docker.docker('network', 'create', ...own, 'web')
    await docker.docker('network', 'create', '-d', 'cnm', '--subnet', '10.8.0.0/24', 'plain')
    /** `docker create --mac-address`, which newer commands refuse to say to older daemons. */
    const create = (name: string, network: string, ip: string, mac?: string) => {
      const [Image, ...Cmd] = server(name)
      const EndpointsConfig = { [network]: { IPAMConfig: { IPv4Address: ip } } }
      const HostConfig = { NetworkMode: network }
      const body = {
        Image,
        Cmd,
        MacAddress: mac,
        HostConfig,
        NetworkingConfig: { EndpointsConfig },
      }
      const curl = `curl -sSf --unix-socket '${docker.socket}' -H 'content-type: application/json'`
      const url = `http://docker/v1.41/containers/create?name=${name}`
      return host.sh(`${curl} -d '${JSON.stringify(body)}' '${url}'`)
    }
    const run = async (...[name, ...rest]: Parameters<typeof create>) => {
      await create(name, ...rest)
      await docker.docker('start', name)
    }
    /** By Docker, and by the link inside. */
    const has = async (name: string, network: string, ip: string, mac?: string) => {
      const format = `{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}} {{.MacAddress}}{{end}}`
      const [address, told] = (await docker.docker('inspect', '-f', format, name)).split(' ')
      const links = (await docker.docker('exec', name, 'ip', 'address')).split(/^\d+: /m)
      const inside = links.find((link) => link.includes(`inet ${ip}/24`))
      expect(inside).toContain(`link/ether ${told} `)
      expect({ address, told }).toEqual({ address: ip, told: mac ?? told })
    }
    const mac = '02:42:0a:09:00:63'
    await run('one', 'web', '10.9.0.99', mac)
    await has('one', 'web', '10.9.0.99', mac)
    // One MAC on two networks, with addresses of ours and of Docker's.
    await run('two', 'plain', '10.8.0.9', mac)
    await has('two', 'plain', '10.8.0.9', mac)
    for (let n = 0; n < 2; n++) {
      await docker.docker('network', 'connect', '--ip', '10.9.0.50', 'web', 'two')
      await has('two', 'web', '10.9.0.50')
      await docker.docker('exec', 'two', 'ping', '-c1', '-W2', '10.9.0.99')
      await docker.docker('network', 'disconnect', 'web', 'two')
    }
    const taken = await docker.try('network', 'connect', '--ip', '10.9.0.99', 'web', 'two')
    expect(taken.stderr).toContain('10.9.0.99 of network')
    await docker.docker('stop', '-t', '0', 'one')
    await docker.docker('start', 'one')
    await has('one', 'web', '10.9.0.99', mac)
    // What is refused keeps no address.
    await create('group', 'web', '10.9.0.77', '01:00:5e:00:00:01')
    expect((await docker.try('start', 'group')).stderr).toContain('01:00:5e:00:00:01')
    await run('three', 'web', '10.9.0.77')
    await has('three', 'web', '10.9.0.77')
    await docker.docker('rm', '-f', 'one', 'two', 'three', 'group')
    await docker.docker('network', 'rm', 'web', 'plain')
    await rig.expectNothingLeft()
  },
)
