import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { createController } from '#dist/index.js'
import { local as localIpam } from '#dist/ipam/local/local.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { memory } from '#dist/store/memory/memory.js'
import { throwAwayHost } from '../support/host.ts'
import { keeperOf } from '../support/kernel-rig.ts'

// Kernels before 6.9 have no tables that others can't touch.

it('comes back with all that was in it when others flush the ruleset', async () => {
  await using host = await throwAwayHost({ internet: true })
  const problems: unknown[] = []
  await using cnm = await createController({
    kernel: await linuxKernel({ host: host.netns, keeper: keeperOf(host), persist: false }),
    store: memory(),
    drivers: [bridge()],
    ipams: [localIpam({ seed: 'test' })],
    namespaceDir: join(host.folder, 'netns'),
    sandboxDir: join(host.folder, 'sandboxes'),
    onProblem: (problem) => problems.push(problem),
  })
  await cnm.createNetwork({ name: 'web', ipv6: true })
  const publish = ['8080:80', '9000-9009:9000-9009/udp']
  await cnm.createSandbox({ connect: [{ network: 'web', publish }] })
  const before = await host.nft('list ruleset')
  expect(before).toContain('tcp . 8080')
  await host.nft('flush ruleset')
  // The order of tables and elements is the kernel's.
  const sorted = (text: string) => text.split('\n').sort()
  await expect.poll(() => host.nft('list ruleset').then(sorted)).toEqual(sorted(before))
  await host.nft('delete element inet cnm published4 { tcp . 8080 }')
  await expect.poll(() => host.nft('list ruleset').then(sorted)).toEqual(sorted(before))
  expect(await cnm.doctor()).toEqual([])
  expect(problems).toEqual([])
})
