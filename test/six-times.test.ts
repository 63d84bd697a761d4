import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { exitOf } from './support/ended.ts'
import { finish } from './support/finish.ts'

const script = fileURLToPath(new URL('../scripts/six-times.mjs', import.meta.url))

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnm-six-times-'))
})

afterEach(() => rm(folder, { recursive: true }))

/** A run of tests in that folder: `shell`, which sees its number as $n. */
async function command(shell: string): Promise<readonly string[]> {
  const report = (status: string) =>
    JSON.stringify({
      testResults: [
        {
          name: join(folder, 'a.test.ts'),
          status,
          assertionResults: [
            { ancestorTitles: ['a'], title: 'works', status },
            { ancestorTitles: [], title: 'holds', status: 'passed' },
          ],
        },
      ],
    })
  await writeFile(join(folder, 'passed.json'), report('passed'))
  await writeFile(join(folder, 'failed.json'), report('failed'))
  const run = 'echo x >> count; n=$(wc -l < count); echo run $n'
  await writeFile(join(folder, 'run.sh'), `${run}\n${shell}\n`)
  return ['sh', 'run.sh']
}

async function sixTimes(...args: readonly string[]) {
  const argv = [`cd ${folder} && exec "$0" "$@"`, process.execPath, script, ...args]
  return finish(['sh', '-c', ...argv] as ['sh', ...string[]])
}

/** The processes that process has started. */
async function childrenOf(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter((each) => each !== '')
}

it('says which test failed how often, quiet and busy', async () => {
  const argv = await command(`
    case $n in
      2|4) cp failed.json .reports/unit.json; exit 1;;
      5) echo leftovers; exit 2;;
      *) cp passed.json .reports/unit.json;;
    esac`)
  const { code, stdout } = await sixTimes('--quiet', '2', '--busy', '3', '--load=1', '--', ...argv)
  expect(stdout.split('\n')).toEqual([
    'run 1 (quiet): 2 passed, 0 failed',
    'run 2 (quiet): 1 passed, 1 failed',
    'run 3 (beside a load of 1): 2 passed, 0 failed',
    'run 4 (beside a load of 1): 1 passed, 1 failed',
    'run 5 (beside a load of 1): 0 passed, 1 failed',
    '',
    '2 of 5 runs were green',
    'failed 0 of 2 quiet, 1 of 3 busy: (no test, but the run: it ended with 2)',
    '    run 5',
    '    leftovers',
    'failed 1 of 2 quiet, 1 of 3 busy: a.test.ts > a > works',
    '',
  ])
  expect(code).toBe(1)
  expect(await readFile(join(folder, '.reports', 'run-2.log'), 'utf8')).toBe('run 2\n')
})

it('has its load beside a run only', async () => {
  const argv = await command(`
    busy() { cat $(printf '/proc/%s/task/*/stat ' $others) | grep -c ') R '; }
    others=$(tr ' ' '\\n' < /proc/$PPID/task/$PPID/children | grep . | grep -vx $$)
    for wait in $(seq 600); do
      now=$([ "$others" ] && busy)
      [ "$others" ] && [ "$now" != 3 ] || break
      sleep 0.1
    done
    echo "$(echo $others | wc -w) $now" >> load
    cp passed.json .reports/host.json`)
  const { code } = await sixTimes('--quiet=1', '--busy=2', '--load=3', '--', ...argv)
  expect(code).toBe(0)
  expect(await readFile(join(folder, 'load'), 'utf8')).toBe('0 \n1 3\n1 3\n')
})

it('ends what takes too long', async () => {
  const argv = await command('sleep 600')
  const short = ['--quiet=1', '--busy=0', '--minutes=0.01']
  const { code, stdout } = await sixTimes(...short, '--', ...argv)
  expect(code).toBe(1)
  expect(stdout).toContain('(the run took more than 0.01 minutes)')
})

it('takes everything along when it is ended', async () => {
  const argv = await command('sleep 600')
  const args = [script, '--quiet=0', '--busy=1', '--load=2', '--', ...argv]
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', timeout: 60_000 })
  const started = () => childrenOf(child.pid!)
  await vi.waitFor(async () => expect(await started()).toHaveLength(2), { timeout: 15_000 })
  await vi.waitFor(async () => expect(await readdir(folder)).toContain('count'), {
    timeout: 15_000,
  })
  const children = await started()
  child.kill('SIGTERM')
  expect(await exitOf(child)).toEqual([143, null])
  const running = await readdir('/proc')
  const left = children.filter((pid) => running.includes(pid))
  expect(left).toEqual([])
})
