import { Command } from 'commander'
import type { StatusInfo } from '../api/reports.ts'
import { isCnmError } from '../base/errors.ts'
import { type ClientFlags, withClientOptions, withDaemon } from './client.ts'
import { guarded } from './output/fail.ts'
import { printJson, printLine } from './output/output.ts'
import { ownVersion } from './own-version.ts'

export function versionCommand(): Command {
  return withClientOptions(new Command('version'))
    .description('print the versions of this command and of the daemon')
    .addHelpText(
      'after',
      `
That no daemon answers is no error.

Examples:
  cnm version
  cnm version --json | jq -r .cnm`,
    )
    .action(guarded(version))
}

async function version(flags: ClientFlags): Promise<number> {
  const cnm = ownVersion()
  const { node } = process.versions
  const [daemon, problem] = await daemonStatus(flags)
  if (flags.json) {
    printJson({ cnm, node, daemon: daemon && { version: daemon.version, pid: daemon.pid } })
    return 0
  }
  printLine(`cnm ${cnm}, Node ${node}`)
  printLine(daemon ? `daemon ${daemon.version}, process ${daemon.pid}` : problem)
  return 0
}

/** null, and why: none answers, or none that may be asked. */
async function daemonStatus(flags: ClientFlags): Promise<[StatusInfo | null, string]> {
  let found: StatusInfo | null = null
  try {
    await withDaemon(flags, async (cnm) => {
      found = await cnm.status()
    })
  } catch (error) {
    const isSilent = isCnmError(error, 'DAEMON_UNREACHABLE')
    if (!isSilent && !isCnmError(error, 'MISSING_CAPABILITY')) throw error
    return [null, error.message]
  }
  return [found, '']
}
