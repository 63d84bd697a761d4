import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { type KernelWorld, kernelContract } from '#dist/testing/kernel-contract.js'
import { type ThrowAwayHost, throwAwayHost } from '../support/host.ts'
import { hostState } from '../support/host-state.ts'
import { keeperOf } from '../support/kernel-rig.ts'
import { bindPort, canReservePorts, ownName } from '../support/ports.ts'

kernelContract('the Linux kernel', {
  open: world,
  skips: canReservePorts() ? {} : { reservations: 'this machine has no way to reserve ports' },
})

/** A throw-away host, changed by others with `ip` and read with `ip` and `nft`. */
async function world(keeps: boolean): Promise<KernelWorld> {
  const host = await throwAwayHost()
  try {
    const namespaceDir = join(host.folder, 'netns')
    await mkdir(namespaceDir)
    const options = { host: host.netns, ...(keeps && { keeper: keeperOf(host) }) }
    let kernel = await linuxKernel(options)
    let namespaces = 0
    const bound: number[] = []
    return {
      get kernel() {
        return kernel
      },
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
        async addLink(name) {
          await host.ip(`link add ${name} type veth peer name ${name}-end`)
        },
        async addAddress(link, address) {
          await host.ip(`addr add ${address} dev ${link}`)
        },
        async removeLink(name) {
          await host.ip(`link del ${name}`)
        },
        async takeLink(name) {
          const path = await host.createNamespace(`with-${name}`)
          await host.ip(`link set ${name} netns ${path}`)
          await host.inside(path, ['ip', 'link', 'set', name, 'up'])
        },
        async returnLink(name) {
          const path = `${host.folder}/with-${name}`
          await host.inside(path, ['ip', 'link', 'set', name, 'down', 'netns', host.netns])
        },
        async bindPort(port) {
          bound.push(bindPort(host.netns, port))
          return { ...port, pid: process.pid, process: ownName() }
        },
        addUserChain: (family) => addUserChain(host, family),
        async flushUserChain(family) {
          await host.nft(`flush chain ${family} filter DOCKER-USER`)
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
      async reopen() {
        const last = kernel
        // The keeper listens to the newest: what the last one does from now on is nothing to it.
        kernel = await linuxKernel(options)
        await last.close()
        return kernel
      },
      async dispose() {
        for (const fd of bound) close(fd)
        await kernel.close()
        await host[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}

/** As iptables-nft makes them. */
async function addUserChain(host: ThrowAwayHost, family: 'ip' | 'ip6'): Promise<void> {
  const lines = [
    `add table ${family} filter`,
    `add chain ${family} filter FORWARD { type filter hook forward priority 0; policy drop; }`,
    `add chain ${family} filter DOCKER-USER`,
    `add rule ${family} filter DOCKER-USER counter return`,
    `add rule ${family} filter FORWARD counter jump DOCKER-USER`,
  ]
  await host.inside(host.netns, ['nft', '-f', '-'], { input: lines.join('\n') })
}
