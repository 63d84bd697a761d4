import { isatty } from 'node:tty'
import type { Log } from '../daemon/log.ts'

interface DaemonLog {
  readonly log: Log
  /** Writes what still waits. To be called at the end, when nothing more comes. */
  flush(): void
}

/** Bytes of log that wait for a reader who is slow; what comes on top is lost. */
const mostUnwritten = 4 * 1024 * 1024
const stderr = 2

/** On stderr: lines of JSON with the level's name and an ISO time, on a terminal text to be read. */
export async function daemonLog(level = 'info'): Promise<DaemonLog> {
  const { pino } = await import('pino')
  const options = {
    level,
    base: null,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  if (isatty(stderr)) return { log: pino(options, await readable()), flush() {} }
  const destination = pino.destination({ dest: stderr, sync: false, maxLength: mostUnwritten })
  return { log: pino(options, destination), flush: () => destination.flushSync() }
}

async function readable() {
  const { default: pretty } = await import('pino-pretty')
  const colorize = process.env.NO_COLOR === undefined && process.env.TERM !== 'dumb'
  const translateTime = 'SYS:HH:MM:ss.l'
  return pretty({ destination: stderr, sync: true, colorize, singleLine: true, translateTime })
}
