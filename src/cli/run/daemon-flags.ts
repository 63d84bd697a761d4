import { isCnmError } from '../../base/errors.ts'
import type { RemoteController } from '../../client/client.ts'
import type { Where } from '../../client/socket-path.ts'
import { given } from '../arguments/option-values.ts'

export interface DaemonFlags {
  readonly host?: string
  readonly stateDir?: string
  readonly runDir?: string
}

/** In the client's words. */
export function whereOf({ host, runDir }: DaemonFlags): Where {
  return given({ socket: host || undefined, runDir })
}

/** The daemon that answers, or one that is started, unless a socket was named. Errors: those of `connectController`. */
export async function daemonAt(flags: DaemonFlags, signal: AbortSignal): Promise<RemoteController> {
  const { connectController } = await import('../../client/client.ts')
  const { socket, runDir } = whereOf(flags)
  const start = given({ stateDir: flags.stateDir, runDir })
  return connectController({ ...given({ socket }), start, signal })
}

/** The daemon that answers; undefined: none does. */
export async function runningDaemon(
  flags: DaemonFlags,
  signal: AbortSignal,
): Promise<RemoteController | undefined> {
  const { connectController } = await import('../../client/client.ts')
  const { socketOf } = await import('../../client/socket-path.ts')
  try {
    return await connectController({ socket: socketOf(whereOf(flags)), signal })
  } catch (error) {
    if (!isCnmError(error, 'DAEMON_UNREACHABLE')) throw error
    return undefined
  }
}
