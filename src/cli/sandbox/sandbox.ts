import type { Command } from 'commander'
import { groupOf } from '../group.ts'
import { createCommand } from './create.ts'
import { execCommand } from './exec.ts'
import { inspectCommand } from './inspect.ts'
import { listCommand } from './list.ts'
import { removeCommand } from './remove.ts'

export function sandboxCommand(): Command {
  return groupOf('sandbox', 'make, look at and remove sandboxes, and run programs in them', [
    createCommand(),
    listCommand(),
    inspectCommand(),
    execCommand(),
    removeCommand(),
  ])
}
