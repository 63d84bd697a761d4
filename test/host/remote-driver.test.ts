import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { remote } from '#dist/driver/remote/remote.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { Plugins } from '#dist/plugin/plugins.js'
import type { DriverWorld } from '#dist/testing/driver-contract.js'
import { hooksContract } from '#dist/testing/hooks-contract.js'
import { throwAwayHost } from '../support/host.ts'
import { hostState } from '../support/host-state.ts'
import { keeperOf } from '../support/kernel-rig.ts'
import { SamplePlugins } from '../support/sample-plugins.ts'

let folder: string
let samples: SamplePlugins

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnm-plugins-'))
  samples = await SamplePlugins.compile(folder)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

hooksContract('the sample network driver, as a plugin,', {
  create: ({ namespaceDir }) => {
    const plugins = new Plugins({ folders: { sockets: [join(namespaceDir, '../plugins')] } })
    return remote(plugins.get('sample'))
  },
  open: world,
})

/** A throw-away host on which the sample program runs. */
async function world(): Promise<DriverWorld> {
  const host = await throwAwayHost()
  try {
    const [namespaceDir, sockets] = [join(host.folder, 'netns'), join(host.folder, 'plugins')]
    await mkdir(namespaceDir)
    await mkdir(sockets)
    await samples.start('network-driver', join(sockets, 'sample.sock'), host.netns)
    const kernel = await linuxKernel({ host: host.netns, keeper: keeperOf(host) })
    return {
      kernel,
      namespaceDir,
      state: () => hostState(host),
      async reaches({ path }, to) {
        const ping = ['ping', '-c', '1', '-i', '0.4', '-w', '2', to] as const
        return host.inside(path, ping).then(
          () => true,
          () => false,
        )
      },
      async dispose() {
        await kernel.close()
        await samples[Symbol.asyncDispose]()
        await host[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await samples[Symbol.asyncDispose]()
    await host[Symbol.asyncDispose]()
    throw error
  }
}
