import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { guarded } from './fail.ts'

export function versionCommand(): Command {
  return new Command('version')
    .description('print the version')
    .option('--json', 'as JSON')
    .action(guarded(version))
}

async function version(options: { readonly json?: boolean }): Promise<number> {
  const file = new URL('../../package.json', import.meta.url)
  const { version: cnm } = JSON.parse(await readFile(file, 'utf8')) as { version: string }
  const { node } = process.versions
  process.stdout.write(
    options.json ? `${JSON.stringify({ cnm, node })}\n` : `cnm ${cnm}, Node ${node}\n`,
  )
  return 0
}
