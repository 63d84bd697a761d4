import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { type DriverWorld, driverContract } from '#dist/testing/driver-contract.js'
import { throwAwayHost } from '../support/host.ts'
import { hostState } from '../support/host-state.ts'
import { keeperOf } from '../support/kernel-rig.ts'

driverContract('the bridge driver on Linux', {
  create: bridge,
  open: world,
  skips: { faults: 'the kernel contract goes through them all' },
})

/** A throw-away host with an uplink to its own internet. */
async function world(): Promise<DriverWorld> {
  const host = await throwAwayHost({ internet: true })
  try {
    const namespaceDir = join(host.folder, 'netns')
    await mkdir(namespaceDir)
    const kernel = await linuxKernel({ host: host.netns, keeper: keeperOf(host) })
    return {
      kernel,
      namespaceDir,
      state: () => hostState(host),
      async reaches({ path }, to) {
        // Until the first answer. Long enough for a lost neighbour solicitation to be sent again, a
        // second later.
        const ping = ['ping', '-c', '1', '-i', '0.4', '-w', '2', to] as const
        return host.inside(path, ping).then(
          () => true,
          () => false,
        )
      },
      async dispose() {
        await kernel.close()
        await host[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}
