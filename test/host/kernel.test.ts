import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { type KernelWorld, kernelContract } from '#dist/testing/kernel-contract.js'
import { throwAwayHost } from '../support/host.ts'
import { hostState } from '../support/host-state.ts'

kernelContract('the Linux kernel', { open: world })

/** A throw-away host, changed by others with `ip` and read with `ip` and `nft`. */
async function world(): Promise<KernelWorld> {
  const host = await throwAwayHost()
  try {
    const namespaceDir = join(host.folder, 'netns')
    await mkdir(namespaceDir)
    const kernel = await linuxKernel({ host: host.netns })
    let namespaces = 0
    return {
      kernel,
      namespaceDir,
      hostPath: host.netns,
      state: () => hostState(host),
      others: {
        addNamespace() {
          namespaces += 1
          return host.createNamespace(`theirs-${namespaces}`)
        },
        removeNamespace: async (path) => {
          await host.sh(`umount ${path} && rm ${path}`)
        },
        async addBridge(name, namespace) {
          const path = namespace?.path ?? host.netns
          await host.inside(path, ['ip', 'link', 'add', name, 'up', 'type', 'bridge'])
        },
        async addAddress(link, address) {
          await host.ip(`addr add ${address} dev ${link}`)
        },
        async removeLink(name) {
          await host.ip(`link del ${name}`)
        },
        readSysctl: async (name) => (await host.sh(`cat /proc/sys/${name}`)).trim(),
        async writeSysctl(name, value) {
          await host.sh(`echo ${value} > /proc/sys/${name}`)
        },
      },
      faults: {
        failAt: (k) => kernel.armFault(k),
        steps: () => kernel.faultCalls(),
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
