import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { errorFrom } from '../api/problem.ts'
import { CnmError, cancelled, isCnmError, throwIfAborted } from '../base/errors.ts'

export interface StartOptions {
  /** Where it keeps networks. Default: `/var/lib/cnm`. */
  readonly stateDir?: string
  /** What of it dies with the boot; its socket is there. Default: `/run/cnm`. */
  readonly runDir?: string
}

const patienceMs = 10_000
const pollMs = 20
const longestPollMs = 200
const idleExit = '30s'

/**
 * Starts a daemon on this host, which ends when it has been idle for a while. Of several that are started at once one
 * gets to be the engine, and the others' starters use that one. Errors: DAEMON_UNREACHABLE, CANCELLED, and those
 * the daemon itself ends with.
 */
export async function startedDaemon<Controller>(
  flags: StartOptions & { readonly runDir: string },
  connect: () => Promise<Controller>,
  signal: AbortSignal | undefined,
): Promise<Controller> {
  throwIfAborted(signal, 'starting the daemon')
  const log = new DaemonLog(flags.runDir)
  let daemon = launch(flags, log)
  const deadline = performance.now() + patienceMs
  for (let waitMs = pollMs; ; waitMs = Math.min(waitMs * 1.5, longestPollMs)) {
    // Looked at first: one that ends afterwards has perhaps answered before.
    const isOver = daemon.exitCode !== null || daemon.signalCode !== null
    try {
      return await connect()
    } catch (error) {
      if (!isCnmError(error, 'DAEMON_UNREACHABLE')) throw error
    }
    if (isOver && !lostTo(daemon, log)) daemon = launch(flags, log)
    if (performance.now() > deadline) throw tooLate(log)
    await pause(waitMs, undefined, signal && { signal }).catch(() => {
      throw cancelled('starting the daemon', signal)
    })
  }
}

/** On its own from now on: neither this terminal's signals nor its end reach it. */
function launch({ stateDir, runDir }: StartOptions, log: DaemonLog): ChildProcess {
  // A program of its own, of which nothing is loaded here.
  const main = join(dirname(fileURLToPath(import.meta.url)), '../cli/main.js')
  const folders = [
    ...(stateDir === undefined ? [] : ['--state-dir', resolve(stateDir)]),
    ...(runDir === undefined ? [] : ['--run-dir', runDir]),
  ]
  const fd = log.open()
  try {
    const args = [main, 'daemon', '--json', '--idle-exit', idleExit, ...folders]
    // A line for each request would fill the memory that the run folder is in.
    const env = { CNM_LOG_LEVEL: 'warn', ...process.env }
    const stdio = ['ignore', fd, fd] as const
    const options = { detached: true, cwd: '/', env, stdio: [...stdio] }
    const daemon = spawn(process.execPath, args, options)
    daemon.on('error', () => {})
    daemon.unref()
    return daemon
  } finally {
    closeSync(fd)
  }
}

/**
 * Whether it lost to another daemon, which will answer; false: that one was about to end, and has. Throws
 * what keeps any daemon from starting.
 */
function lostTo({ exitCode, signalCode }: ChildProcess, log: DaemonLog): boolean {
  const problem = log.problem()
  if (!isCnmError(problem, 'ENGINE_RUNNING')) {
    throw problem ?? ended(log, exitCode === null ? `by ${signalCode}` : `with status ${exitCode}`)
  }
  // It has other folders, and so another socket than the one that is waited for.
  if (problem.details.table !== undefined) throw problem
  // What answers at the socket is no daemon: it would have been found.
  if (problem.details.path !== undefined) throw problem
  const argv = argvOf(problem.details.pid)
  if (argv === undefined) return false
  // A program that is the engine itself never answers.
  if (!argv.includes('daemon')) throw problem
  return true
}

/** undefined: it is gone. */
function argvOf(pid: unknown): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/${Number(pid)}/cmdline`, 'utf8').split('\0')
  } catch {
    return undefined
  }
}

function ended({ path }: DaemonLog, how: string): CnmError {
  return new CnmError('DAEMON_UNREACHABLE', `the daemon that was started ended ${how}`, {
    hint: `${path} says why`,
  })
}

function tooLate({ path }: DaemonLog): CnmError {
  const what = `the daemon that was started doesn't answer within ${patienceMs / 1000} s`
  return new CnmError('DAEMON_UNREACHABLE', what, {
    hint: `see ${path}, and whether "cnm daemon" starts`,
  })
}

/** What daemons say that have no terminal; several may write there at once. */
class DaemonLog {
  readonly path: string
  readonly #runDir: string
  #start = 0

  constructor(runDir: string) {
    this.#runDir = runDir
    this.path = join(runDir, 'daemon.log')
  }

  /** For one to write to. Errors: STORE_UNAVAILABLE. */
  open(): number {
    try {
      makeFolder(this.#runDir)
      const fd = openSync(this.path, 'a', 0o640)
      this.#start = statSync(this.path).size
      return fd
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      throw new CnmError('STORE_UNAVAILABLE', `${this.path} can't be written (${code})`, {
        details: { path: this.path },
        hint: 'run it as root, or give another folder with --run-dir',
        cause,
      })
    }
  }

  /** The error that a daemon has ended with since then, if any. */
  problem(): CnmError | undefined {
    const text = readFileSync(this.path).subarray(this.#start).toString()
    const problems = text.split('\n').map(problemIn)
    return problems.findLast((problem) => problem !== undefined)
  }
}

/** Not by `recursive`, which never ends below /proc. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, 0o755)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path, 0o755)
  }
}

function problemIn(line: string): CnmError | undefined {
  if (!line.startsWith('{"code":')) return undefined
  try {
    return errorFrom(JSON.parse(line))
  } catch {
    return undefined
  }
}
