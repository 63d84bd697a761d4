import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

export interface Finished {
  /** Of a program that a signal ended: null. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, whatever that is. One that takes too long is killed. */
export async function finish(
  [file, ...args]: readonly [string, ...string[]],
  timeoutMs = 60_000,
): Promise<Finished> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}
