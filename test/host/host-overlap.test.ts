import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cliHost } from '../support/cli-host.ts'
import { engineRig } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'

it('no network takes from the host what it reaches, by either family', async () => {
  await using rig = await engineRig({ internet: true })
  const { host } = rig
  const resolvConf = join(host.folder, 'resolv.conf')
  await writeFile(resolvConf, 'nameserver 203.0.113.53\nnameserver 2001:db8:53::53\n')
  await using cnm = await rig.start({ dns: { resolvConf } })
  const before = [await host.ip('-j route'), await host.ip('-j -6 route'), await host.ip('-j link')]
  for (const [subnet, details] of [
    ['198.51.100.0/25', { link: uplink.link }],
    ['198.51.0.0/16', { link: uplink.link }],
    ['2001:db8::/112', { link: uplink.link }],
    ['203.0.113.0/24', { holder: 'host' }],
    ['2001:db8:53::/64', { holder: 'host' }],
  ] as const) {
    const refused = cnm.createNetwork({ name: 'web', subnets: [subnet] })
    await expect(refused).rejects.toMatchObject({ code: 'POOL_OVERLAP', details })
  }
  for (const subnet of ['127.1.0.0/16', '240.1.0.0/16', 'fe80::/64', '10.9.0.0/32', '::1/128']) {
    const refused = cnm.createNetwork({ name: 'web', subnets: [subnet] })
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_POOL' })
  }
  expect([
    await host.ip('-j route'),
    await host.ip('-j -6 route'),
    await host.ip('-j link'),
  ]).toEqual(before)
  await host.sh(`ping -c 1 -W 5 ${uplink.gateway4} && ping -c 1 -W 5 ${uplink.gateway6}`)
  expect(await cnm.doctor()).toEqual([])
})

it('a network goes on where the host has got such an address, and the next engine starts it', async () => {
  await using rig = await engineRig({ internet: true })
  const cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  const box = await cnm.createSandbox({ name: 'box' })
  await box.connect(web)
  await rig.host.ip(`addr add 10.7.0.200/32 dev ${uplink.link}`)
  const overlap = {
    kind: 'overlap',
    detail: `network "web" has 10.7.0.0/24, which overlaps with the host's address 10.7.0.200/32 on link "${uplink.link}"`,
    mended: false,
  }
  await expect.poll(() => cnm.doctor()).toEqual([overlap])
  await cnm.close()
  const next = await rig.start()
  expect(await next.sandbox('box').inspect()).toMatchObject({ state: 'ready' })
  expect(await next.doctor()).toEqual([overlap])
  expect(rig.problems).toEqual([])
  await next.down()
})

it('adopts the bridge that is the uplink itself', async () => {
  await using rig = await engineRig({ internet: true })
  const { host } = rig
  await host.ip('link add br0 type bridge')
  await host.ip(`link set ${uplink.link} master br0`)
  await host.ip(`addr del ${uplink.address4}/24 dev ${uplink.link}`)
  await host.ip(`addr add ${uplink.address4}/24 dev br0`)
  await host.ip('link set br0 up')
  await host.ip(`route add default via ${uplink.gateway4}`)
  await using cnm = await rig.start()
  const lan = await cnm.createNetwork({ name: 'lan', options: { bridge: 'br0' } })
  expect((await lan.inspect()).ipv4?.subnet).toBe('198.51.100.0/24')
  expect(await cnm.doctor()).toEqual([])
})

it('the command warns of a route by a gateway, and has a flag for all else', async () => {
  await using cli = await cliHost({ internet: true })
  await cli.host.ip(`route add 10.0.0.0/8 via ${uplink.gateway4}`)
  await cli.daemon()
  const warned = await cli.cnm('network', 'create', '--subnet', '10.7.0.0/24', 'web')
  expect(warned).toMatchObject({ code: 0 })
  expect(warned.err).toBe(
    `warning: 10.7.0.0/24 overlaps with the host's route 10.0.0.0/8 by ${uplink.gateway4} on link "uplink": what of it is in the network is reached there no more\n`,
  )
  const refused = await cli.cnm('network', 'create', '--subnet', '198.51.100.128/25', 'lan')
  expect(refused).toMatchObject({ code: 4 })
  expect(refused.err).toContain(`the host's on-link route 198.51.100.0/24 of link "uplink"`)
  await cli.ok('network', 'create', '--allow-host-overlap', '--subnet', '198.51.100.128/25', 'lan')
})
