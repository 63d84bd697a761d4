export { lockFile } from './ffi/lock.ts'
export { peerCredentials, sendDatagram } from './ffi/unix-socket.ts'
export type { KeeperProgram } from './keeper/program.ts'
export {
  type LinuxKernel,
  type LinuxKernelOptions,
  linuxKernel,
  prepareKernel,
} from './linux-kernel.ts'
export { ProgramThread, type StartedProgram } from './programs/program-thread.ts'
