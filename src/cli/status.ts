import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import type { StatusInfo } from '../api/reports.ts'
import type { Controller } from '../client/client.ts'
import { type ClientFlags, withClientOptions, withDaemon } from './client.ts'
import { guarded } from './output/fail.ts'
import { endpointInfos, networkInfos, sandboxInfos } from './output/infos.ts'
import { bold, dim, printJson, printLine } from './output/output.ts'
import { type Topology, topologyLines } from './output/topology.ts'
import { type Traffic, trafficBetween } from './output/traffic.ts'

const SAMPLE_MS = 1000

interface Flags extends ClientFlags {
  readonly traffic?: boolean
}

export function statusCommand(): Command {
  return withClientOptions(new Command('status'))
    .description('show the daemon, and networks with their endpoints and sandboxes as a tree')
    .option('--traffic', 'what passes now, measured for a second')
    .addHelpText(
      'after',
      `
Examples:
  cnm status
  cnm status --traffic
  watch cnm status
  cnm status --json | jq '.daemon.pid'`,
    )
    .action(guarded(status))
}

async function status(flags: Flags): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const [daemon, networks, endpoints, sandboxes] = await Promise.all([
      cnm.status(),
      networkInfos(cnm),
      endpointInfos(cnm),
      sandboxInfos(cnm),
    ])
    const traffic = flags.traffic ? { traffic: await measured(cnm) } : {}
    const topology: Topology = { networks, endpoints, sandboxes, ...traffic }
    if (flags.json) return printJson({ daemon, ...topology })
    printLine(daemonLine(daemon, cnm.socket))
    for (const line of topologyLines(topology, { strong: bold, weak: dim })) printLine(line)
  })
}

async function measured(cnm: Controller): Promise<Traffic> {
  const [before, begin] = [await cnm.statistics(), performance.now()]
  await delay(SAMPLE_MS)
  const after = await cnm.statistics()
  return trafficBetween(before, after, (performance.now() - begin) / 1000)
}

function daemonLine({ version, pid, started, stateDir }: StatusInfo, socket: string): string {
  const text = `cnm ${version}, process ${pid}, since ${started}, at ${socket}, state in ${stateDir}`
  return dim(text)
}
