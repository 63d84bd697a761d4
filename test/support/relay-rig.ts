import type { IpAddress } from '#dist/address/address.js'
import type { RelayResource } from '#dist/kernel/kept-resource.js'
import type { LinuxKernelOptions } from '#dist/kernel/linux/index.js'
import { add, type KernelRig, kernelRig, network, port } from './kernel-rig.ts'

/** The addresses of the sandbox. */
export const inside4 = '10.7.0.2'
export const inside6 = 'fd00:7::2'

/** A host with one sandbox, `box`. */
export async function relayRig(options: LinuxKernelOptions = {}): Promise<KernelRig> {
  const rig = await kernelRig(options)
  try {
    const namespace = rig.box('box')
    await add(
      rig.kernel,
      ...network('br-a', 7, true),
      { kind: 'namespace', namespace },
      ...port({ namespace, name: 'v-box', bridge: 'br-a', n: 7, number: 2, ipv6: true }),
    )
    return rig
  } catch (error) {
    await rig[Symbol.asyncDispose]()
    throw error
  }
}

export function relay(
  protocol: 'tcp' | 'udp',
  listen: string,
  to: string,
  ports: readonly [number, number] = [7777, 7777],
): RelayResource {
  const [from, target] = ports
  return {
    kind: 'relay',
    protocol,
    listen: { address: listen as IpAddress, port: from },
    to: { address: to as IpAddress, port: target },
  }
}
