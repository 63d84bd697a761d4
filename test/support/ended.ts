import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'

/**
 * For what may have come to its end already. Who only waits for the event then waits for ever: `once` is
 * right only where it is asked before the end can come, in the step that starts the process or opens the
 * socket. A stream's end is waited for by `finished` of node:stream/promises.
 */

/** As far as Node has been told. */
export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** How a process has ended: `[code, signal]`. */
export async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  if (hasEnded(child)) return [child.exitCode, child.signalCode]
  return (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
}

/** Kills it, if it hasn't ended, and waits. */
export async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await exitOf(child)
}

/** How a connection has ended. */
export async function closeOf(socket: Socket): Promise<'cut off' | 'at its end'> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return socket.errored === null ? 'at its end' : 'cut off'
}
