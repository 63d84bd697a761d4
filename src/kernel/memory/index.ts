export { commandLines } from './kinds/kinds.ts'
export { type MemoryKernel, memoryKernel } from './memory-kernel.ts'
