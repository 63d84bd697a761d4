import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

export interface RunOptions {
  readonly timeoutMs?: number
  /** Given to the program as its standard input. */
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
}

/**
 * Runs a program to its end; answers with its output. A program that fails or takes too long is an
 * error; it is killed then with everything it started.
 */
export async function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<string> {
  const { timeoutMs = 10_000, input, env = process.env } = options
  const [file, ...args] = argv
  // Node's pipes are sockets, and by a socket bash takes itself for a remote shell, which reads ~/.bashrc first.
  const stdin = input === undefined ? 'ignore' : 'pipe'
  const child = spawn(file, args, { env, detached: true, stdio: [stdin, 'pipe', 'pipe'] })
  // A program that doesn't read its input is none of our business.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  let late = false
  const timer = setTimeout(() => {
    late = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, timeoutMs)
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(signal ?? code ?? 'unknown'))
  })
  try {
    const [end, out, err] = await Promise.all([ended, text(child.stdout!), text(child.stderr!)])
    if (end === 0) return out
    const how = late ? `took more than ${timeoutMs} ms` : `failed (${end})`
    throw new Error(`${argv.join(' ')} ${how}: ${(out + err).trim()}`)
  } finally {
    clearTimeout(timer)
  }
}
