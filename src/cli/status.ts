import { Command } from 'commander'
import type { StatusInfo } from '../api/reports.ts'
import { type ClientFlags, withClientOptions, withDaemon } from './client.ts'
import { guarded } from './fail.ts'
import { endpointInfos, networkInfos, sandboxInfos } from './infos.ts'
import { bold, dim, printJson, printLine } from './output.ts'
import { type Topology, topologyLines } from './topology.ts'

export function statusCommand(): Command {
  return withClientOptions(new Command('status'))
    .description('show the daemon, and networks with their endpoints and sandboxes as a tree')
    .addHelpText(
      'after',
      `
Examples:
  cnm status
  watch cnm status
  cnm status --json | jq '.daemon.pid'`,
    )
    .action(guarded(status))
}

async function status(flags: ClientFlags): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const [daemon, networks, endpoints, sandboxes] = await Promise.all([
      cnm.status(),
      networkInfos(cnm),
      endpointInfos(cnm),
      sandboxInfos(cnm),
    ])
    const topology: Topology = { networks, endpoints, sandboxes }
    if (flags.json) return printJson({ daemon, ...topology })
    printLine(daemonLine(daemon, cnm.socket))
    for (const line of topologyLines(topology, { strong: bold, weak: dim })) printLine(line)
  })
}

function daemonLine({ version, pid, started, stateDir }: StatusInfo, socket: string): string {
  const text = `cnm ${version}, process ${pid}, since ${started}, at ${socket}, state in ${stateDir}`
  return dim(text)
}
