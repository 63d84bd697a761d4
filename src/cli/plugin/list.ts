import { Command } from 'commander'
import type { PluginInfo } from '../../api/reports.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson, printLine, printTable } from '../output/output.ts'

interface Flags extends ClientFlags {
  readonly quiet?: boolean
}

export function listCommand(): Command {
  return withClientOptions(new Command('ls'))
    .alias('list')
    .description('list network drivers and IPAMs that are other programs, and how they are')
    .option('-q, --quiet', 'names only')
    .addHelpText(
      'after',
      `
Examples:
  cnm plugin ls
  cnm plugin ls --json | jq -r '.[] | select(.state != "ready") | .problem'`,
    )
    .action(guarded(list))
}

async function list(flags: Flags): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const plugins = await cnm.plugins()
    if (flags.quiet) for (const { name } of plugins) printLine(name)
    else if (flags.json) printJson(plugins)
    else {
      const headings = ['NAME', 'STATE', 'IMPLEMENTS', 'NETWORKS', 'ENDPOINTS', 'ADDRESS']
      printTable(headings, plugins.map(row))
    }
  })
}

function row(plugin: PluginInfo): readonly string[] {
  const { name, state, networks, degraded, address = '' } = plugin
  const waiting = degraded === 0 ? '' : `${degraded} degraded`
  return [name, state, plugin.implements.join(', '), networks.join(', '), waiting, address]
}
