/// <reference types="node" preserve="true" />

/**
 * Contract suites (vitest) for kernels, drivers, IPAMs, stores and controllers: ours pass them, and so must
 * whatever is to take their place. With them the kernel in memory, to try things on.
 */

export { commandLines, type MemoryKernel, memoryKernel } from '../kernel/memory/index.ts'
export { type ControllerWorld, controllerContract } from './controller-contract.ts'
export {
  type DriverContractOptions,
  type DriverWorld,
  type DriverWorldFeature,
  driverContract,
} from './driver-contract.ts'
export { type HooksContractOptions, hooksContract } from './hooks-contract.ts'
export { type IpamContractOptions, type IpamFeature, ipamContract } from './ipam-contract.ts'
export {
  type KernelContractOptions,
  type KernelFeature,
  type KernelWorld,
  kernelContract,
  type OthersInWorld,
} from './kernel-contract.ts'
export { type StorePlace, storeContract } from './store-contract.ts'
