import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MOST_OUTPUT_BYTES = 64 * 1024

/** What came of it. */
export interface LmdbAnswer {
  /** A sentence for everything that could not be read. */
  readonly wrong: readonly string[]
  /** Why nothing came of it. */
  readonly failure?: string
  /** The disk was why. */
  readonly refused?: { readonly code: string; readonly message: string }
}

type Task =
  | readonly ['is-there']
  | readonly ['read', mdb: string, journal: string]
  | readonly ['write', journal: string, mdb: string]

/** Signals that are for this process as well, as from a terminal: the file has nothing to do with it. */
const told = ['SIGHUP', 'SIGINT', 'SIGTERM']
const interrupted = {
  code: 'EINTR',
  message: 'the process that was to read or write it was told to end',
}
/** By another process, or the kernel. What it would have said of the file isn't known. */
const killed = {
  code: 'EINTR',
  message:
    'the process that was to read or write it was killed (SIGKILL), as where memory runs out',
}

interface Options {
  readonly program?: string
  readonly node?: string
  /** 10,000 endpoints take a second, and four beside a load of ten. */
  readonly timeoutMs?: number
}

/** Has lmdb do something, in a process that may die of it. Throws only what the disk says. */
export async function askLmdb(
  task: Task,
  { program = ownProgram(), node = process.execPath, timeoutMs = 60_000 }: Options = {},
): Promise<LmdbAnswer> {
  const answer = await new Promise<LmdbAnswer>((resolve) => {
    const limits = {
      // What this process was started with is not meant for that one.
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: MOST_OUTPUT_BYTES,
    } as const
    const args = [program, ...task, `${process.pid}`]
    execFile(node, args, limits, (error, output, complaint) => {
      const refused = error === null ? undefined : refusalOf(error)
      if (error === null) resolve(parse(output))
      else if (refused !== undefined) resolve({ wrong: [], refused })
      else resolve({ wrong: [], failure: failureOf(error, complaint, timeoutMs) })
    })
  })
  const { refused } = answer
  if (refused === undefined) return answer
  throw Object.assign(new Error(refused.message), { code: refused.code })
}

function ownProgram(): string {
  return fileURLToPath(new URL('./lmdb-child.js', import.meta.url))
}

function parse(output: string): LmdbAnswer {
  try {
    const answer = JSON.parse(output) as LmdbAnswer | null
    if (Array.isArray(answer?.wrong)) return answer
  } catch {
    // It is told below.
  }
  return { wrong: [], failure: 'the process for it said nothing that makes sense' }
}

type Failure = Error & {
  readonly code?: unknown
  readonly syscall?: string
  readonly killed?: boolean
  readonly signal?: string | null
}

/** What has nothing to do with the file. */
function refusalOf(error: Failure): LmdbAnswer['refused'] {
  const { code, syscall = '', signal, message } = error
  if (syscall.startsWith('spawn')) return { code: `${code}`, message }
  if (told.includes(signal ?? '')) return interrupted
  return signal === 'SIGKILL' && !error.killed ? killed : undefined
}

function failureOf(error: Failure, complaint: string, timeoutMs: number): string {
  if (/ERR_MODULE_NOT_FOUND/.test(complaint) && /package 'lmdb'/.test(complaint)) {
    return 'the optional package "lmdb", which is needed for it, is not installed'
  }
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return `the process for it failed: ${error.message}`
  }
  if (error.killed) {
    return `the process for it was ended, since it took longer than ${timeoutMs / 1000} s`
  }
  if (error.signal) return `the process for it died of it (${error.signal})`
  const [said] = /^.*Error.*$/m.exec(complaint) ?? []
  return `the process for it failed: ${said ?? error.message}`
}
