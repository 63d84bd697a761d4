import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CnmError, isKernelError } from '../../base/errors.ts'
import { close, connectUnix, listenUnix, sendDatagram } from '../../kernel/linux/service/index.ts'
import { runKeeper } from './run-keeper.ts'

/** So long one that listens may take to take a connection. */
const ANSWER_MS = 2000

export interface UnitKeeperOptions {
  /** The engine's folder, in which it looks for the socket. */
  readonly runDir: string
  /** The host's resolv.conf, which is followed. */
  readonly resolvConf: string
}

/** Where systemd puts the first socket it hands on. */
const FIRST_FD = 3

/**
 * Makes a keeper of this process that stays until it is told to end, whether there is an engine or not.
 * Its socket is the one that systemd hands on, or made here. Errors: ENGINE_RUNNING (another keeper
 * answers there), MISSING_CAPABILITY, INVALID_ARGUMENT (the folder, or what was handed on).
 */
export function keepForUnit(options: UnitKeeperOptions, environment: NodeJS.ProcessEnv): void {
  const runDir = resolve(options.runDir)
  const resolvConf = resolve(options.resolvConf)
  const socket = join(runDir, 'keeper.sock')
  const given = givenSocket(environment, socket)
  const listening = given ?? listenAt(runDir, socket)
  process.chdir('/')
  runKeeper({ socket, resolvConf, stays: true }, listening, given !== undefined)
  // Who connects from now on is answered, if not at once.
  tellReady(environment)
}

/** That systemd doesn't listen is no reason to end. */
function tellReady({ NOTIFY_SOCKET: path }: NodeJS.ProcessEnv): void {
  try {
    if (path) sendDatagram(path, 'READY=1')
  } catch (error) {
    process.stderr.write(`${new Date().toISOString()} systemd could not be told: ${error}\n`)
  }
}

/** undefined: none was handed on to this process. */
function givenSocket(
  { LISTEN_PID, LISTEN_FDS }: NodeJS.ProcessEnv,
  path: string,
): number | undefined {
  if (LISTEN_PID !== String(process.pid)) return undefined
  if (LISTEN_FDS === '1' && isSocket(path)) return FIRST_FD
  throw new CnmError(
    'INVALID_ARGUMENT',
    `one socket, at ${path}, can be handed on, and there are ${LISTEN_FDS}, or it is elsewhere`,
    { details: { path }, hint: 'let ListenStream= be keeper.sock in the folder of --run-dir' },
  )
}

function listenAt(runDir: string, path: string): number {
  try {
    makeFolder(runDir)
    if (isSocket(path)) {
      refuseOther(path)
      rmSync(path, { force: true })
    }
    return listenUnix(path)
  } catch (error) {
    throw error instanceof CnmError ? error : cantListen(path, error as Error)
  }
}

/** Not by `recursive`, which never ends below /proc. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, 0o755)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function cantListen(path: string, cause: Error): CnmError {
  const errno = isKernelError(cause) ? cause.errno : (cause as NodeJS.ErrnoException).code
  const message = `the keeper can't listen at ${path}: ${cause.message}`
  const about = { details: { path }, cause }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new CnmError('MISSING_CAPABILITY', message, { ...about, hint: 'run it as root' })
  }
  const hint = 'name the run folder of the daemon with --run-dir'
  return new CnmError('INVALID_ARGUMENT', message, { ...about, hint })
}

function refuseOther(path: string): void {
  try {
    close(connectUnix(path, ANSWER_MS))
  } catch (error) {
    if (isKernelError(error, 'ECONNREFUSED')) return
    if (!isKernelError(error, 'EAGAIN')) throw error
  }
  throw new CnmError('ENGINE_RUNNING', `a keeper answers at ${path} already`, {
    details: { path },
    hint: 'end the engine that has started it, or use another folder',
  })
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === true
}
