import type { Command } from 'commander'
import { groupOf } from '../group.ts'
import { connectCommand, disconnectCommand } from './connect.ts'
import { createCommand } from './create.ts'
import { inspectCommand } from './inspect.ts'
import { listCommand } from './list.ts'
import { pruneCommand } from './prune.ts'
import { removeCommand } from './remove.ts'

export function networkCommand(): Command {
  return groupOf('network', 'make, look at and remove networks', [
    createCommand(),
    listCommand(),
    inspectCommand(),
    removeCommand(),
    connectCommand(),
    disconnectCommand(),
    pruneCommand(),
  ])
}
