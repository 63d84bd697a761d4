export { commandLines } from './kinds/kinds.ts'
export { type MemoryKernel, type MemoryKernelOptions, memoryKernel } from './memory-kernel.ts'
export type { OthersHands, OthersLink } from './others.ts'
