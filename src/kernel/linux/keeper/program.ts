import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { KeeperOptions } from '../../../keeper/keeper.ts'
import { close } from '../ffi/file.ts'
import { pidfdOpen } from '../ffi/namespace.ts'
import { POLLIN, waitFor } from '../ffi/poll.ts'
import { closeOnExecFrom } from '../ffi/process.ts'
import { realPath } from '../programs/path-watch.ts'

/** The host's own, where nothing else is said. */
export const RESOLV_CONF = '/etc/resolv.conf'

/** The keeper's program, and where it lives. */
export interface KeeperProgram {
  /** Path of its entry, a `.js` file. */
  readonly program: string
  /** For its socket and its log; made if it isn't there. */
  readonly folder: string
  /** The host's resolv.conf. Default: `/etc/resolv.conf`. */
  readonly resolvConf?: string
  /** true: it stays, with all it keeps, when the kernel is closed. Default: false. */
  readonly stay?: boolean
}

export function socketOf({ folder }: KeeperProgram): string {
  return join(folder, 'keeper.sock')
}

export function logOf({ folder }: KeeperProgram): string {
  return join(folder, 'keeper.log')
}

/** The last thing a keeper has written before it ended; empty: nothing. */
export function lastWords(program: KeeperProgram): string {
  try {
    const lines = readFileSync(logOf(program), 'utf8').split('\n')
    // The error itself, rather than where it was.
    return (
      lines.findLast((line) => /^\S*Error\b/.test(line)) ??
      lines.findLast(Boolean) ??
      ''
    ).trim()
  } catch {
    return ''
  }
}

/** SO_ACCEPTCON, as /proc/net/unix shows it. */
const LISTENING = '00010000'

// All it has to know comes with its arguments.
const inherited = ['PATH', 'TZ', 'LANG']

/** One that is killed is gone within so long, as a rule. */
const KILLED_MS = 1000

/** A keeper's process. */
export interface KeeperProcess {
  /** Returns when it is gone, and with it all it has held. */
  kill(): void
  /** Waits for its end; kills it if that takes too long. */
  ended(timeoutMs: number): Promise<void>
  /** Thinks of it no more. Idempotent. */
  forget(): void
}

/**
 * Starts a keeper that listens on that socket, in a session of its own and in the network namespace of
 * the calling thread. Whether it comes up shows on its socket.
 */
export function startKeeper(program: KeeperProgram, listening: number): KeeperProcess {
  const options: KeeperOptions = {
    socket: socketOf(program),
    resolvConf: program.resolvConf ?? RESOLV_CONF,
  }
  const log = openSync(logOf(program), 'w', 0o600)
  try {
    closeOnExecFrom(3)
    const child = spawn(process.execPath, [program.program, JSON.stringify(options)], {
      cwd: '/',
      detached: true,
      env: Object.fromEntries(inherited.map((name) => [name, process.env[name]])),
      stdio: ['ignore', log, log, listening],
    })
    child.on('error', () => {})
    child.unref()
    return new Child(child)
  } finally {
    closeSync(log)
  }
}

/** Started here. */
class Child implements KeeperProcess {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  kill(): void {
    // Until Node has laid it to rest, its number is no other's.
    if (this.#child.kill('SIGKILL')) void foundKeeper(this.#child.pid!)?.ended(KILLED_MS)
  }

  async ended(timeoutMs: number): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    // No other process can reap it.
    this.#child.ref()
    const exit = once(this.#child, 'exit')
    const timer = setTimeout(() => this.kill(), timeoutMs)
    await exit
    clearTimeout(timer)
  }

  forget(): void {}
}

/** One that another engine has started; undefined: it is gone. */
export function foundKeeper(pid: number): KeeperProcess | undefined {
  try {
    return new Found(pid, pidfdOpen(pid))
  } catch {
    return undefined
  }
}

class Found implements KeeperProcess {
  readonly #pid: number
  /** It is always the same process, also when another gets its number later. */
  readonly #pidfd: number
  #isForgotten = false

  constructor(pid: number, pidfd: number) {
    this.#pid = pid
    this.#pidfd = pidfd
  }

  kill(): void {
    if (this.#isOver(0)) return
    process.kill(this.#pid, 'SIGKILL')
    this.#isOver(KILLED_MS)
  }

  async ended(timeoutMs: number): Promise<void> {
    if (!this.#isOver(timeoutMs)) this.kill()
    this.forget()
  }

  forget(): void {
    if (!this.#isForgotten) close(this.#pidfd)
    this.#isForgotten = true
  }

  #isOver(timeoutMs: number): boolean {
    return waitFor(this.#pidfd, POLLIN, timeoutMs)
  }
}

/**
 * Ends keepers that don't answer, known by the log that one started by an engine writes, or by the socket on
 * which they listen; returns when they are gone.
 */
export function killKeepersOf(program: KeeperProgram): void {
  const log = realPath(logOf(program)) ?? logOf(program)
  const sockets = listeningAt(socketOf(program))
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    // systemd keeps the sockets that it hands on.
    if (pid === '1' || pid === String(process.pid)) continue
    if (targetOf(pid, '2') !== log && !hasOneOf(pid, sockets)) continue
    const keeper = foundKeeper(Number(pid))
    keeper?.kill()
    keeper?.forget()
  }
}

/** Sockets that listen there, as descriptors show them: those of the host, and of where this process is. */
function listeningAt(path: string): ReadonlySet<string> {
  const found = new Set<string>()
  for (const table of ['/proc/thread-self/net/unix', '/proc/self/net/unix']) {
    for (const line of readFileSync(table, 'utf8').split('\n')) {
      const [, , , flags, , , inode, ...name] = line.trim().split(/ +/)
      if (flags === LISTENING && name.join(' ') === path) found.add(`socket:[${inode}]`)
    }
  }
  return found
}

function hasOneOf(pid: string, sockets: ReadonlySet<string>): boolean {
  if (sockets.size === 0) return false
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(targetOf(pid, fd) ?? ''))
  } catch {
    return false
  }
}

/** undefined: it has gone, or been closed. */
function targetOf(pid: string, fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return undefined
  }
}
