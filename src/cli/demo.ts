import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { CnmError } from '../base/errors.ts'
import { DemoHost } from './demo-host.ts'
import { DemoLog } from './demo-log.ts'
import { guarded } from './fail.ts'

const throwAway = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

export function demoCommand(): Command {
  return new Command('demo')
    .description('show on a throw-away host what this is, with times; changes nothing here')
    .addHelpText('after', '\nExamples:\n  cnm demo')
    .addOption(new Option('--inside', 'this process is on the throw-away host').hideHelp())
    .action(guarded(demo))
}

/** The host of the demo is a namespace of its own, which ends with the process inside it. */
async function demo({ inside }: { readonly inside?: boolean }): Promise<number> {
  if (inside) return show()
  if (process.geteuid?.() !== 0) {
    throw new CnmError('MISSING_CAPABILITY', 'only root can make a throw-away host', {
      hint: 'run it as root',
    })
  }
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const child = spawn(
    'unshare',
    [...throwAway, '--propagation', 'private', process.execPath, main, 'demo', '--inside'],
    { stdio: 'inherit' },
  )
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

async function show(): Promise<number> {
  // Other commands start sooner without the engine.
  const { tellStory } = await import('./demo-story.ts')
  const folder = await mkdtemp(join(tmpdir(), 'cnm-demo-'))
  const log = new DemoLog()
  try {
    await using host = await DemoHost.make()
    const resolvConf = join(folder, 'resolv.conf')
    await writeFile(resolvConf, `nameserver ${DemoHost.outside}\n`)
    const runDir = join(folder, 'run')
    await tellStory(log, host, { stateDir: join(folder, 'state'), runDir, dns: { resolvConf } })
    await log.proved('the keeper has ended with its engine', async () => {
      return !existsSync(join(runDir, 'keeper.sock'))
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return log.end()
}
