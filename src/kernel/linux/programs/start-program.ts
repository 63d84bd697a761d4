import { CnmError, isKernelError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import type { NamespaceRef } from '../../resource.ts'
import { close } from '../ffi/file.ts'
import { checkCookie, Namespaces, openNamespace } from '../namespaces/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { Ended, SpawnedProgram } from '../thread/operations.ts'
import { Programs } from './programs.ts'

/**
 * Starts a program inside a namespace as a child of this process, from the calling thread, which is
 * back when this returns. Absent: where the thread is. `onEnd` is told when it has ended.
 *
 * Errors: NAMESPACE_NOT_FOUND, MISSING_CAPABILITY, and those of `Kernel.spawn`.
 */
export async function startProgram(
  namespace: NamespaceRef | undefined,
  command: Omit<Command, 'stdio'>,
  onEnd: (ended: Ended) => void,
): Promise<{ readonly pid: number; kill(signal: NodeJS.Signals): void }> {
  const programs = new Programs(
    (_, ended) => onEnd(ended),
    (message) => process.emitWarning(message, 'CnmWarning'),
  )
  const start = () => programs.start(0, { ...command, stdio: 'inherit' })
  const started = namespace === undefined ? start() : inside(namespace, start)
  const { pid } = await started()
  return { pid, kill: (signal) => programs.kill(0, signal) }
}

function inside(
  namespace: NamespaceRef,
  start: () => () => Promise<SpawnedProgram>,
): () => Promise<SpawnedProgram> {
  const fd = openNamespace(namespace)
  try {
    const namespaces = new Namespaces()
    try {
      return namespaces.enter(fd, () => {
        if (namespace.cookie !== undefined) checkCookie(namespace, cookieHere())
        return start()
      })
    } finally {
      namespaces.close()
    }
  } catch (error) {
    throw isKernelError(error, 'EPERM') && error.operation === 'setns' ? refused(error) : error
  } finally {
    close(fd)
  }
}

function cookieHere(): string {
  const socket = new NetlinkSocket(NETLINK_ROUTE)
  try {
    return socket.namespaceCookie()
  } finally {
    socket.close()
  }
}

function refused(cause: unknown): CnmError {
  return new CnmError('MISSING_CAPABILITY', 'the kernel lets this process enter no namespace', {
    details: { capability: 'CAP_SYS_ADMIN' },
    hint: 'run it as root: a program in a sandbox is started by this command itself',
    cause,
  })
}
