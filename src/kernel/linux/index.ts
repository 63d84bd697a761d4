export { lockFile } from './ffi/lock.ts'
export { type LinuxKernel, type LinuxKernelOptions, linuxKernel } from './linux-kernel.ts'
