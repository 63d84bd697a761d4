import type { Command } from 'commander'
import { inspectCommandOf } from '../output/inspecting.ts'
import { inspectEndpoint } from './find.ts'

export function inspectCommand(): Command {
  const examples = "  cnm endpoint inspect web/api\n  cnm endpoint inspect web/api | jq '.[].ports'"
  return inspectCommandOf('endpoint', examples, inspectEndpoint)
}
