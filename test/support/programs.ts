import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A program of this folder that said a word when it was so far. */
export interface Started {
  readonly pid: number
  readonly says: string
  /** Kills it, if it hasn't ended, and waits. */
  end(): Promise<void>
}

/** Starts one with Node, in the network namespace of that path. */
export async function startProgram(
  path: string,
  name: string,
  ...args: readonly string[]
): Promise<Started> {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const argv = [`--net=${path}`, process.execPath, file, ...args]
  const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const said = once(child.stdout, 'data') as Promise<[Buffer]>
  const [word] = await Promise.race([said, ended.then(() => [Buffer.from('nothing')])])
  return {
    pid: child.pid!,
    says: word!.toString().trim(),
    async end() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Listens there as a program of its own; says `ready`, or why it can't. */
export function listen(
  path: string,
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
): Promise<Started> {
  return startProgram(path, 'listen-child.mjs', protocol, address, String(port))
}
