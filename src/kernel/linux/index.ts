export { lockFile } from './ffi/lock.ts'
export type { KeeperProgram } from './keeper/program.ts'
export { type LinuxKernel, type LinuxKernelOptions, linuxKernel } from './linux-kernel.ts'
