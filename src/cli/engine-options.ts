import type { Command } from 'commander'
import type { EngineOptions } from '../linux.ts'

/** The options of every command that starts an engine. */
export function withEngineOptions(command: Command): Command {
  return command
    .option('--state-dir <dir>', 'where networks are kept', '/var/lib/cnm')
    .option('--run-dir <dir>', 'where namespaces and the state of this boot are kept', '/run/cnm')
}

export interface EngineFlags {
  readonly stateDir: string
  readonly runDir: string
}

export function engineOptions({ stateDir, runDir }: EngineFlags): EngineOptions {
  return { stateDir, runDir }
}
