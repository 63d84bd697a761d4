// Runs the tests again and again, half of the times beside a load, and prints which failed how often.
//
//   node scripts/six-times.mjs [--quiet N] [--busy N] [--load N] [--minutes N] [-- COMMAND…]
//
// So many runs on a quiet machine, then so many beside that many busy loops; a run that takes longer than
// that is ended. Defaults: 3, 3, 8, 60 and `make test`. What a run says is in .reports/run-N.log. The load
// ends with the run, and whatever becomes of this.
import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readReports, reports } from './test-reports.mjs'

const graceMs = 10_000

const { values, positionals } = parseArgs({
  options: {
    quiet: { type: 'string', default: '3' },
    busy: { type: 'string', default: '3' },
    load: { type: 'string', default: '8' },
    minutes: { type: 'string', default: '60' },
  },
  allowPositionals: true,
})
const [quiet, busy, load, minutes] = [values.quiet, values.busy, values.load, values.minutes].map(
  number,
)
const command = positionals.length === 0 ? ['make', 'test'] : positionals
const runMs = minutes * 60_000
/** What is to be ended when this is. */
const running = new Set()

function number(text) {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`${text} is no number`)
  return Number(text)
}

/**
 * Ends by itself: after a run's time, or when its parent is gone. One process has all loops, for a kernel that
 * shares out by sessions gives each of them the same, and eight would leave the tests a ninth.
 */
const busyLoops = `
  const { Worker, isMainThread, workerData } = require('node:worker_threads')
  if (isMainThread) {
    const [count, parent, ms] = process.argv.slice(1).map(Number)
    const workerData = { parent, end: Date.now() + ms }
    for (let n = 0; n < count; n++) new Worker(process._eval, { eval: true, workerData })
  } else {
    while (Date.now() < workerData.end && process.ppid === workerData.parent);
  }`

function startLoad() {
  const numbers = [load, process.pid, runMs + graceMs].map(String)
  return start(process.execPath, ['-e', busyLoops, ...numbers], { stdio: 'ignore' })
}

function start(file, argv, options) {
  const child = spawn(file, argv, { detached: true, ...options })
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(code ?? signal))
  })
  const each = { ended, end: (signal) => endGroup(child.pid, signal) }
  running.add(each)
  void ended.then(() => running.delete(each))
  return each
}

function endGroup(pid, signal) {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, async () => {
    const all = [...running]
    for (const each of all) each.end('SIGTERM')
    setTimeout(() => {
      for (const each of all) each.end('SIGKILL')
    }, graceMs).unref()
    await Promise.all(all.map(({ ended }) => ended))
    process.exit(status)
  })
}

async function runOnce(name, isBusy) {
  mkdirSync(reports, { recursive: true })
  for (const file of readdirSync(reports)) {
    if (file.endsWith('.json')) rmSync(`${reports}/${file}`)
  }
  const logPath = `${reports}/${name}.log`
  const log = openSync(logPath, 'w')
  const loops = isBusy && load > 0 ? startLoad() : undefined
  const [file, ...argv] = command
  const run = start(file, argv, { stdio: ['ignore', log, log] })
  let isLate = false
  const timers = [
    setTimeout(() => {
      isLate = true
      run.end('SIGTERM')
    }, runMs),
    setTimeout(() => run.end('SIGKILL'), runMs + graceMs),
  ]
  const status = await run.ended
  timers.forEach(clearTimeout)
  loops?.end('SIGKILL')
  await loops?.ended
  return { failures: failuresOf(status, isLate, logPath), passed: passed() }
}

const passed = () => readReports().tests.filter(({ status }) => status === 'passed').length

/** Names of what failed; what is no test counts, too. */
function failuresOf(status, isLate, logPath) {
  const { tests, brokenFiles } = readReports()
  const failed = tests.filter((test) => test.status === 'failed').map(({ name }) => name)
  const all = [...failed, ...brokenFiles.map((name) => `${name} (the file as a whole)`)]
  if (isLate) all.push(`(the run took more than ${minutes} minutes)`)
  if (all.length > 0 || status === 0) return all
  const last = readFileSync(logPath, 'utf8').trim().split('\n').slice(-5).join('\n    ')
  return [`(no test, but the run: it ended with ${status})\n    ${last}`]
}

const counts = new Map()
let good = 0
for (let n = 1; n <= quiet + busy; n++) {
  const isBusy = n > quiet
  const { failures, passed } = await runOnce(`run-${n}`, isBusy)
  if (failures.length === 0) good += 1
  const kind = isBusy ? `beside a load of ${load}` : 'quiet'
  console.log(`run ${n} (${kind}): ${passed} passed, ${failures.length} failed`)
  for (const name of failures) {
    const count = counts.get(name) ?? { quiet: 0, busy: 0 }
    count[isBusy ? 'busy' : 'quiet'] += 1
    counts.set(name, count)
  }
}
console.log(`\n${good} of ${quiet + busy} runs were green`)
for (const [name, count] of [...counts].sort(([a], [b]) => a.localeCompare(b))) {
  console.log(`failed ${count.quiet} of ${quiet} quiet, ${count.busy} of ${busy} busy: ${name}`)
}
process.exitCode = good === quiet + busy ? 0 : 1
