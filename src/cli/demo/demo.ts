import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { CnmError, throwIfAborted } from '../../base/errors.ts'
import { guarded } from '../output/fail.ts'
import { relaying } from '../run/signal-relay.ts'
import { DemoHost } from './demo-host.ts'
import { DemoLog } from './demo-log.ts'

const throwAway = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

export function demoCommand(): Command {
  return new Command('demo')
    .description('show on a throw-away host what this is, with times; changes nothing here')
    .addHelpText('after', '\nExamples:\n  cnm demo')
    .addOption(new Option('--inside <folder>', 'this process is on the throw-away host').hideHelp())
    .action(guarded(demo))
}

/** The host of the demo is a namespace of its own, which ends with the process inside it. */
async function demo({ inside }: { readonly inside?: string }): Promise<number> {
  if (inside !== undefined) return show(inside)
  if (process.geteuid?.() !== 0) {
    throw new CnmError('MISSING_CAPABILITY', 'only root can make a throw-away host', {
      hint: 'run it as root',
    })
  }
  const folder = await mkdtemp(join(tmpdir(), 'cnm-demo-'))
  try {
    return await relaying(({ signal }) => onThrowAwayHost(folder, signal))
  } finally {
    // A killed process is perhaps still at it.
    await rm(folder, { recursive: true, force: true, maxRetries: 9 })
  }
}

/** A signal ends all of it at once. The first process of a namespace hears none, so it gets none from the terminal. */
async function onThrowAwayHost(folder: string, signal: AbortSignal): Promise<number> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  const inside = [process.execPath, main, 'demo', '--inside', folder]
  const argv = [...throwAway, '--propagation', 'private', ...inside]
  const child = spawn('unshare', argv, { stdio: 'inherit', detached: true })
  const kill = () => child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  const [code] = (await once(child, 'exit')) as [number | null]
  throwIfAborted(signal, 'the demo')
  return code ?? 1
}

async function show(folder: string): Promise<number> {
  // Other commands start sooner without the engine.
  const { tellStory } = await import('./demo-story.ts')
  const log = new DemoLog()
  const resolvConf = join(folder, 'resolv.conf')
  await writeFile(resolvConf, `nameserver ${DemoHost.outside}\n`)
  const runDir = join(folder, 'run')
  {
    await using host = await DemoHost.make()
    await tellStory(log, host, { stateDir: join(folder, 'state'), runDir, dns: { resolvConf } })
    await log.proved('the keeper has ended with its engine', async () => {
      return !existsSync(join(runDir, 'keeper.sock'))
    })
  }
  return log.end()
}
