import type { Command } from 'commander'
import { endpointInfos } from '../output/infos.ts'
import { inspectCommandOf } from '../output/inspecting.ts'

export function inspectCommand(): Command {
  const examples =
    "  cnm sandbox inspect api\n  cnm sandbox inspect api | jq -r '.[].namespace.path'"
  return inspectCommandOf('sandbox', examples, async (cnm, name) => {
    const sandbox = await cnm.sandbox(name).inspect()
    return { ...sandbox, endpoints: await endpointInfos(cnm, { sandbox: sandbox.id }) }
  })
}
