import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { floor } from './floor.ts'
import { inventory } from './leftovers.ts'
import { library } from './library.ts'
import { median, ms, quantile, table } from './statistics.ts'
import type { Subject } from './subject.ts'

/**
 * Attach and teardown through the library, as a ratio to the kernel's floor in the same run. The two
 * take turns in short rounds, so that whatever else the machine does meets both. Run by `make bench`,
 * in a namespace that plays the host. STATE is on the disk the checkout is on, RUN in memory.
 */
const who = ['floor', 'library'] as const
type Who = (typeof who)[number]
type Pair = Readonly<Record<Who, Subject>>
type Samples = Readonly<Record<Who, number[]>>

const nothing = (): Samples => ({ floor: [], library: [] })
const rounds = 10

/** The longest the main thread could not be reached: while it only waits for the floor, and otherwise. */
const longestStall = { floor: 0, library: 0 }

async function main(): Promise<void> {
  const folder = mkdtempSync(fileURLToPath(new URL('run-', import.meta.url)))
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', prepared(folder, 'memory')])
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  try {
    const before = inventory()
    const rows = [...(await small(folder)), ...(await crowded(folder))]
    await sleep(2000)
    const left = [...inventory()].filter((thing) => !before.has(thing))
    report(rows, left)
    process.exitCode = left.length === 0 ? 0 : 1
  } finally {
    execFileSync('umount', ['--lazy', `${folder}/memory`])
    rmSync(folder, { recursive: true })
  }
}

/** One network: 300 attaches that pile up on it; then three times 100 sandboxes are torn down. */
async function small(folder: string): Promise<string[][]> {
  const pair = await start(folder, 'small', 1)
  const attach = nothing()
  const detach = nothing()
  const gone = nothing()
  await inTurns(rounds, async (one) => {
    attach[one].push(...(await pair[one].attach(30)))
  })
  await inTurns(3, async (one) => {
    const { each, untilGone } = await pair[one].detach(100)
    detach[one].push(...each)
    gone[one].push(untilGone / 100)
  })
  await finish(pair)
  return [
    row('attach, 300 on one network', attach, '≤ 1.5 × floor'),
    row('detach, until it has no effect', detach, '≤ 1 ms'),
    row('teardown of 100 until all is gone, each', gone, '≤ 1.5 ms'),
  ]
}

/** Ten networks with 1,000 endpoints, and 20 more that come and go. */
async function crowded(folder: string): Promise<string[][]> {
  const pair = await start(folder, 'crowded', 10)
  const attach = nothing()
  const detach = nothing()
  await inTurns(1, async (one) => {
    await pair[one].attach(1000)
  })
  await inTurns(rounds, async (one) => {
    attach[one].push(...(await pair[one].attach(20)))
    detach[one].push(...(await pair[one].detach(20)).each)
  })
  await inTurns(1, async (one) => {
    await pair[one].detach(1000)
  })
  await finish(pair)
  return [
    row('attach, 1,000 endpoints on 10 networks', attach, '≤ 1.5 × floor'),
    row('detach, 1,000 endpoints on 10 networks', detach, '≤ 1 ms'),
  ]
}

async function start(folder: string, name: string, networks: number): Promise<Pair> {
  return {
    floor: await floor(prepared(folder, `memory/${name}-floor`), networks),
    library: await library({
      stateDir: prepared(folder, `${name}-state`),
      runDir: prepared(folder, `memory/${name}-run`),
      networks,
    }),
  }
}

async function inTurns(turns: number, work: (one: Who) => Promise<void>): Promise<void> {
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

async function finish(pair: Pair): Promise<void> {
  for (const one of who) await pair[one].close()
}

function row(what: string, { floor, library }: Samples, goal: string): string[] {
  const ratio = median(library) / median(floor)
  const numbers = [floor, library].flatMap((times) => [median(times), quantile(times, 0.99)])
  return [what, ...numbers.map(ms), ratio.toFixed(2), goal]
}

function report(rows: readonly string[][], left: readonly string[]): void {
  const load = loadavg()[0]!.toFixed(1)
  const machine = `kernel ${release()}, node ${process.versions.node}, ${cpus().length} cores`
  const head = ['median ms, floor and library in turns', 'floor', 'p99', 'library', 'p99', 'ratio']
  console.log(
    [
      `${machine}, load ${load}`,
      '',
      table([[...head, 'goal'], ...rows]),
      '',
      `longest stall of the main thread: ${ms(longestStall.library)} ms ` +
        `(goal ≤ 5; ${ms(longestStall.floor)} while it only waited)`,
      'prepared in advance: one network namespace, made while nobody waits',
      `left over 2 s after the last detach: ${left.join(', ') || 'nothing'}`,
    ].join('\n'),
  )
}

function prepared(folder: string, name: string): string {
  mkdirSync(`${folder}/${name}`)
  return `${folder}/${name}`
}

await main()
