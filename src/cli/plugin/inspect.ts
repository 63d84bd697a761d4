import type { Command } from 'commander'
import { inspectCommandOf } from '../output/inspecting.ts'

export function inspectCommand(): Command {
  const examples = "  cnm plugin inspect weave\n  cnm plugin inspect weave | jq -r '.[].problem'"
  return inspectCommandOf('plugin', examples, (cnm, name) => cnm.plugin(name))
}
