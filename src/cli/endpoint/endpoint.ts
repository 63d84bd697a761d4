import type { Command } from 'commander'
import { groupOf } from '../group.ts'
import { createCommand } from './create.ts'
import { inspectCommand } from './inspect.ts'
import { joinCommand, leaveCommand } from './join.ts'
import { listCommand } from './list.ts'
import { publishCommand, unpublishCommand } from './publish.ts'
import { removeCommand } from './remove.ts'

export function endpointCommand(): Command {
  return groupOf('endpoint', 'make, look at, publish and remove endpoints', [
    createCommand(),
    listCommand(),
    inspectCommand(),
    joinCommand(),
    leaveCommand(),
    publishCommand(),
    unpublishCommand(),
    removeCommand(),
  ])
}
