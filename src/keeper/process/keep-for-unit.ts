import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CnmError, isKernelError } from '../../base/errors.ts'
import { close, connectUnix, listenUnix, sendDatagram } from '../../kernel/linux/service/index.ts'
import { PathIdentity } from './path-identity.ts'
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
 * answers there), INVALID_ARGUMENT (the folder, or what was handed on).
 */
export function keepForUnit(options: UnitKeeperOptions, environment: NodeJS.ProcessEnv): void {
  const runDir = resolve(options.runDir)
  const resolvConf = resolve(options.resolvConf)
  const socket = join(runDir, 'keeper.sock')
  const given = givenSocket(environment, socket)
  const listening = given ?? listenAt(runDir, socket)
  const identity = new PathIdentity(socket)
  process.chdir('/')
  runKeeper({ socket, resolvConf, stays: true }, listening, () => {
    if (given === undefined && identity.isSame()) rmSync(socket, { force: true })
  })
  const { NOTIFY_SOCKET: path } = environment
  // Who connects from now on is answered, if not at once.
  if (path) sendDatagram(path, 'READY=1')
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
    mkdirSync(runDir, { recursive: true, mode: 0o755 })
    if (isSocket(path)) {
      refuseOther(path)
      rmSync(path, { force: true })
    }
    return listenUnix(path)
  } catch (error) {
    if (error instanceof CnmError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new CnmError('INVALID_ARGUMENT', `the keeper can't listen at ${path}: ${reason}`, {
      details: { path },
      cause: error,
    })
  }
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
