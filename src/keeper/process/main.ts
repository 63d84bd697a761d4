import { writeSync } from 'node:fs'
import type { KeeperOptions } from '../keeper.ts'
import { KeeperProcess } from './keeper-process.ts'

/** Where whoever started this process has put the keeper's socket. */
const LISTEN_FD = 3
const PATIENCE_MS = 1000

process.title = 'cnm keeper'

/** Its threads may be waiting for something that never comes. */
function fail(error: unknown): void {
  const text = error instanceof Error ? error.stack : String(error)
  writeSync(2, `${new Date().toISOString()} the keeper has failed: ${text}\n`)
  process.exitCode = 1
  keeper?.end()
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), PATIENCE_MS)
}

let keeper: KeeperProcess | undefined

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
process.on('SIGTERM', () => keeper?.end())
// A terminal's: not for it.
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})

keeper = new KeeperProcess(JSON.parse(process.argv[2]!) as KeeperOptions, LISTEN_FD, (error) => {
  if (error !== undefined) {
    const text = error.stack ?? error.message
    writeSync(2, `${new Date().toISOString()} the keeper's resolver has failed: ${text}\n`)
    process.exitCode = 1
  }
  process.exit()
})
