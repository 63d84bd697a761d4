import { type KernelWorld, kernelContract } from '../../testing/kernel-contract.ts'
import { memoryKernel } from './memory-kernel.ts'

kernelContract('the memory kernel', {
  open: async () => world(),
  skips: {
    programs: 'there are no programs in memory',
    sockets: 'there are no sockets in memory',
    reopening: 'a machine in memory ends with its kernel',
  },
})

function world(): KernelWorld {
  const kernel = memoryKernel()
  let namespaces = 0
  return {
    kernel,
    namespaceDir: '/run/cnm/netns',
    hostPath: '/proc/self/ns/net',
    state: async () => kernel.lines(),
    others: {
      async addNamespace() {
        namespaces += 1
        kernel.addNamespace(`/run/others/${namespaces}`)
        return `/run/others/${namespaces}`
      },
      removeNamespace: async (path) => kernel.removeNamespace(path),
      addBridge: async (name, namespace) => kernel.addLink({ name, type: 'bridge', namespace }),
      addLink: async (name) => kernel.addLink({ name, type: 'veth' }),
      addAddress: async (link, address) => kernel.addAddress(link, address),
      removeLink: async (name) => kernel.removeLink(name),
      takeLink: async (name) => kernel.takeLink(name),
      returnLink: async (name) => kernel.returnLink(name),
      async bindPort(port) {
        const holder = { ...port, pid: 812, process: 'nginx' }
        kernel.bindPort(holder)
        return holder
      },
      addUserChain: async (family) => kernel.addUserChain(family),
      flushUserChain: async (family) => kernel.flushUserChain(family),
      readSysctl: async (name) => kernel.readSysctl(name) ?? '',
      writeSysctl: async (name, value) => kernel.writeSysctl(name, value),
    },
    faults: {
      failAt: async (k) => kernel.failAt(k),
      steps: async () => kernel.steps(),
    },
    dispose: () => kernel.close(),
  }
}
