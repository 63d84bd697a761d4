export type { ForeignLink, HostActions } from './host-actions.ts'
export { commandLines } from './kinds/kinds.ts'
export { type MemoryKernel, type MemoryKernelOptions, memoryKernel } from './memory-kernel.ts'
