export { commandLines } from './command-lines.ts'
export { type MemoryKernel, type MemoryKernelOptions, memoryKernel } from './memory-kernel.ts'
export type { OthersHands, OthersLink } from './others.ts'
