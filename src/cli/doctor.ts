import { Command } from 'commander'
import { createController } from '../linux.ts'
import { type EngineFlags, engineOptions, withEngineOptions } from './engine-options.ts'
import { guarded } from './fail.ts'

export function doctorCommand(): Command {
  return withEngineOptions(new Command('doctor'))
    .description('say how the machine differs from what is recorded')
    .option('--fix', 'make it as recorded')
    .option('--json', 'as JSON, a line for each finding')
    .addHelpText(
      'after',
      `
Starting the engine mends what an earlier one left behind, so an idle host has no findings.
Exit status: 0 if nothing is left to be mended, 1 otherwise.`,
    )
    .action(guarded(doctor))
}

async function doctor(
  flags: EngineFlags & { readonly fix?: boolean; readonly json?: boolean },
): Promise<number> {
  await using cnm = await createController(engineOptions(flags))
  const findings = await cnm.doctor({ fix: flags.fix ?? false })
  for (const finding of findings) {
    const { kind, detail, mended, remedy } = finding
    const line = flags.json
      ? JSON.stringify(finding)
      : `${kind}${mended ? ' (mended)' : ''}: ${detail}${remedy ? `\n  mend it with: ${remedy}` : ''}`
    process.stdout.write(`${line}\n`)
  }
  if (findings.length === 0 && !flags.json) process.stdout.write('all is as recorded\n')
  return findings.every(({ mended }) => mended) ? 0 : 1
}
