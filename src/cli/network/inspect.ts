import type { Command } from 'commander'
import { endpointInfos } from '../output/infos.ts'
import { inspectCommandOf } from '../output/inspecting.ts'

export function inspectCommand(): Command {
  const examples =
    "  cnm network inspect web\n  cnm network inspect web back | jq '.[].ipv4.subnet'"
  return inspectCommandOf('network', examples, async (cnm, name) => {
    const network = await cnm.network(name).inspect()
    return { ...network, endpoints: await endpointInfos(cnm, { network: network.id }) }
  })
}
