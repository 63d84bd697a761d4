import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { floor } from './floor.ts'
import { inventory } from './leftovers.ts'
import { library } from './library.ts'
import { median, ms, quantile } from './statistics.ts'
import type { Subject } from './subject.ts'

/** What is compared: the kernel's floor and the library. */
const who = ['floor', 'library'] as const
type Who = (typeof who)[number]
export type Pair = Readonly<Record<Who, Subject>>
export type Samples = Readonly<Record<Who, number[]>>

export const nothing = (): Samples => ({ floor: [], library: [] })

/** The longest the main thread could not be reached: while it only waits for the floor, and otherwise. */
export const longestStall = { floor: 0, library: 0 }

/**
 * Runs a benchmark in a folder of its own on the disk the checkout is on, with `memory/` in memory, and
 * prints what it answers. Exits with 1 if anything is left two seconds after it.
 */
export async function session(work: (folder: string) => Promise<string>): Promise<void> {
  const folder = mkdtempSync(fileURLToPath(new URL('run-', import.meta.url)))
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', prepared(folder, 'memory')])
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  try {
    const before = inventory()
    const report = await work(folder)
    await sleep(2000)
    const left = [...inventory()].filter((thing) => !before.has(thing))
    console.log(`${machine()}\n\n${report}`)
    console.log(`left over 2 s after the end: ${left.join(', ') || 'nothing'}\n`)
    if (left.length > 0) process.exitCode = 1
  } finally {
    execFileSync('umount', ['--lazy', `${folder}/memory`])
    rmSync(folder, { recursive: true })
  }
}

export async function start(folder: string, name: string, networks: number): Promise<Pair> {
  return {
    floor: await floor(prepared(folder, `memory/${name}-floor`), networks),
    library: await library({
      stateDir: prepared(folder, `${name}-state`),
      runDir: prepared(folder, `memory/${name}-run`),
      networks,
    }),
  }
}

/** The two take turns in short rounds, so that whatever else the machine does meets both. */
export async function inTurns(turns: number, work: (one: Who) => Promise<void>): Promise<void> {
  for (let i = 0; i < turns; i++) {
    for (const one of who) {
      const monitor = monitorEventLoopDelay({ resolution: 1 })
      monitor.enable()
      await work(one)
      monitor.disable()
      longestStall[one] = Math.max(longestStall[one], monitor.max / 1e6)
    }
  }
}

export async function finish(pair: Pair): Promise<void> {
  for (const one of who) await pair[one].close()
}

export const head = ['median ms, floor and library in turns', 'floor', 'p99', 'library', 'p99']

export function row(what: string, { floor, library }: Samples, goal: string): string[] {
  const ratio = median(library) / median(floor)
  const numbers = [floor, library].flatMap((times) => [median(times), quantile(times, 0.99)])
  return [what, ...numbers.map(ms), ratio.toFixed(2), goal]
}

export function prepared(folder: string, name: string): string {
  mkdirSync(`${folder}/${name}`)
  return `${folder}/${name}`
}

function machine(): string {
  const load = loadavg()[0]!.toFixed(1)
  return `kernel ${release()}, node ${process.versions.node}, ${cpus().length} cores, load ${load}`
}
