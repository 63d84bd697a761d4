import { Command } from 'commander'
import type { Finding } from '../api/reports.ts'
import { type ClientFlags, withClientOptions, withDaemon } from './client.ts'
import { guarded } from './output/fail.ts'
import { printJson, printLine } from './output/output.ts'

export function doctorCommand(): Command {
  return withClientOptions(new Command('doctor'))
    .description('say how the machine differs from what is recorded')
    .option('--fix', 'make it as recorded')
    .addHelpText(
      'after',
      `
With --json each finding is an object on a line of its own. Exit status: 0 if nothing is left to be mended,
1 otherwise.

Examples:
  cnm doctor
  cnm doctor --fix`,
    )
    .action(guarded(doctor))
}

async function doctor(flags: ClientFlags & { readonly fix?: boolean }): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const findings = await cnm.doctor({ fix: flags.fix ?? false })
    for (const finding of findings) {
      if (flags.json) printJson(finding)
      else printLine(findingText(finding))
    }
    if (findings.length === 0 && !flags.json) printLine('all is as recorded')
    return findings.every(({ mended }) => mended) ? 0 : 1
  })
}

function findingText({ kind, detail, mended, remedy }: Finding): string {
  const tail = remedy === undefined ? '' : `\n  mend it with: ${remedy}`
  return `${kind}${mended ? ' (mended)' : ''}: ${detail}${tail}`
}
