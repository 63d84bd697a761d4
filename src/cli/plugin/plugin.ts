import type { Command } from 'commander'
import { groupOf } from '../group.ts'
import { inspectCommand } from './inspect.ts'
import { listCommand } from './list.ts'

export function pluginCommand(): Command {
  return groupOf('plugin', 'look at drivers that are other programs', [
    listCommand(),
    inspectCommand(),
  ])
}
