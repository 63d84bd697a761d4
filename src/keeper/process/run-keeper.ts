import { rmSync, writeSync } from 'node:fs'
import type { KeeperOptions } from '../keeper.ts'
import { KeeperProcess } from './keeper-process.ts'
import { PathIdentity } from './path-identity.ts'

const PATIENCE_MS = 1000

/**
 * Makes a keeper of this process, that listens on that descriptor, until it is told to end: by an engine, by
 * SIGTERM, or because nothing needs it. The process ends with it, and so does its socket, unless systemd
 * has made it (`isGiven`).
 */
export function runKeeper(options: KeeperOptions, listenFd: number, isGiven = false): void {
  const identity = new PathIdentity(options.socket)
  let keeper: KeeperProcess | undefined
  process.title = 'cnm keeper'

  /** Its threads may be waiting for something that never comes. */
  function fail(error: unknown): void {
    const text = error instanceof Error ? error.stack : String(error)
    writeSync(2, `${new Date().toISOString()} the keeper has failed: ${text}\n`)
    process.exitCode = 1
    keeper?.end()
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), PATIENCE_MS)
  }

  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  process.on('SIGTERM', () => keeper?.end())
  // A terminal's: not for it.
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})

  keeper = new KeeperProcess(options, listenFd, (error) => {
    if (error !== undefined) {
      const text = error.stack ?? error.message
      writeSync(2, `${new Date().toISOString()} the keeper's resolver has failed: ${text}\n`)
      process.exitCode = 1
    }
    if (!isGiven && identity.isSame()) removeSocket(options.socket)
    process.exit()
  })
}

/** The next keeper takes its place otherwise. */
function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch (error) {
    writeSync(2, `${new Date().toISOString()} the keeper's socket stays: ${error}\n`)
  }
}
