import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { json, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { pathOf } from './traffic-subject.ts'

/** A DNS server that knows a name, and a place to ask it from. */
export interface NamesSubject {
  readonly name: string
  /** The network namespace it is asked in, by name or path. */
  readonly namespace: string
  readonly server: string
  readonly question: string
  /** The process that answers: its time on the processors is counted, and it is kept on one. */
  readonly pid: number
  readonly goals: Readonly<Record<number, string>>
  close(): Promise<void>
}

/** What `ask` says in the end. Times in microseconds. */
export interface AskReport {
  readonly answers: number
  readonly lost: number
  readonly errors: number
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** The processor of servers, and the one of the client. */
const [SERVERS, CLIENT] = ['0', cpus().length > 1 ? '1' : '0'] as const

const askProgram = fileURLToPath(new URL('ask', import.meta.url))
export const responderProgram = fileURLToPath(new URL('responder', import.meta.url))

/** Keeps a process, with all its threads, on the servers' processor. */
export function pin(pid: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', SERVERS, String(pid)], { stdio: 'ignore' })
}

/** Starts to ask; ended by SIGTERM, or after so many seconds. */
export function startAsking(
  subject: Pick<NamesSubject, 'name' | 'namespace' | 'server' | 'question'>,
  outstanding: number,
  seconds: number,
): { readonly child: ChildProcess; readonly report: Promise<AskReport> } {
  const { namespace, server, question } = subject
  const argv = [askProgram, server, '53', question, String(outstanding), String(seconds)]
  const child = spawn('taskset', ['-c', CLIENT, 'nsenter', `--net=${pathOf(namespace)}`, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const complaint = text(child.stderr)
  const report = (json(child.stdout) as Promise<AskReport>).catch(async () => {
    throw new Error(`${subject.name}: ${await complaint}`)
  })
  return { child, report }
}

/** Asks, and how much of a processor the server took meanwhile. */
export async function ask(
  subject: NamesSubject,
  outstanding: number,
  seconds: number,
): Promise<AskReport & { readonly cores: number }> {
  const [begin, before] = [performance.now(), cpuSeconds(subject.pid)]
  const report = await startAsking(subject, outstanding, seconds).report
  const taken = (performance.now() - begin) / 1000
  return { ...report, cores: (cpuSeconds(subject.pid) - before) / taken }
}

/** Time of all threads of a process, in user and kernel mode. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Fields 14 and 15, in clock ticks, of which there are a hundred a second for all programs.
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Memory of a process with its share of what it has in common with others, in MB. */
export function pssMegabytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024
}
