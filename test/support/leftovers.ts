import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { run } from './run.ts'

/**
 * Fails a run of host tests that leaves something on this machine: processes, mounts (and so
 * namespaces), temporary files, or any change of its own network. Several runs may go on at once: what
 * belongs to this one is told by its folder, which every `os.tmpdir()` of the run is, and by the same
 * folder in the environment of every program it started.
 */

const marker = 'CNM_TEST_RUN'
let folder = ''
let networkBefore = ''
let mountsBefore: ReadonlySet<string> = new Set()

export async function setup(): Promise<void> {
  // Another project of the same run looks after all.
  if (process.env[marker] !== undefined) return
  networkBefore = await describeNetwork()
  mountsBefore = new Set(mountPoints())
  folder = mkdtempSync(join(tmpdir(), 'cnm-run-'))
  process.env.TMPDIR = folder
  process.env[marker] = folder
}

export async function teardown(): Promise<void> {
  if (folder === '') return
  let left = await leftovers()
  // What was killed or unmounted last is still on its way out.
  for (let tries = 0; left.length > 0 && tries < 50; tries++) {
    await delay(100)
    left = await leftovers()
  }
  if (left.length === 0) return rmSync(folder, { recursive: true })
  process.exitCode = 1
  throw new Error(`the tests left behind:\n${left.map((what) => `  ${what}`).join('\n')}`)
}

async function leftovers(): Promise<string[]> {
  return [
    ...processes(),
    ...newMounts().map((point) => `mount ${point}`),
    ...readdirSync(folder).map((name) => `file ${join(folder, name)}`),
    ...networkChanges(networkBefore, await describeNetwork()),
  ]
}

/** Programs of this run, except the workers of the test runner itself. */
function processes(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const ours = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${marker}=${folder}`)
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2])
      if (Number(pid) === process.pid || parent === process.pid) return []
      if (!ours && !command.includes(folder) && !logsTo(folder, pid)) return []
      return [`process ${pid} in ${readlinkSync(`/proc/${pid}/ns/net`)}: ${command}`]
    } catch {
      return [] // It has just ended.
    }
  })
}

/** A keeper has neither our environment nor the folder in its command line. */
function logsTo(where: string, pid: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/2`).startsWith(where)
  } catch {
    return false // It has no standard error, or has just ended.
  }
}

/** Mounts that were not there before; of those in /tmp only the ones of this run. */
function newMounts(): string[] {
  const foreign = (point: string) => point.startsWith('/tmp/') && !point.startsWith(folder)
  return mountPoints().filter((point) => !mountsBefore.has(point) && !foreign(point))
}

function mountPoints(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')
  return lines.map((line) => line.split(' ')[4] ?? line)
}

/** The network of the namespace that the tests were started in: nothing of it is theirs to change. */
async function describeNetwork(): Promise<string> {
  const commands = [
    ['ip', '-o', 'link'],
    ['ip', '-o', 'addr'],
    ['ip', '-4', 'route', 'show', 'table', 'all'],
    ['ip', '-6', 'route', 'show', 'table', 'all'],
    ['ip', 'rule'],
    ['nft', 'list', 'ruleset'],
  ] as const
  const outputs = await Promise.all(commands.map((argv) => run(argv)))
  // Lifetimes run down and counters count up by themselves.
  return outputs.join('').replace(/(valid_lft|preferred_lft|expires|packets|bytes) \S+/g, '')
}

function networkChanges(before: string, after: string): string[] {
  const [old, now] = [before.split('\n'), after.split('\n')]
  return [
    ...now.filter((line) => !old.includes(line)).map((line) => `network, new: ${line.trim()}`),
    ...old.filter((line) => !now.includes(line)).map((line) => `network, gone: ${line.trim()}`),
  ]
}
