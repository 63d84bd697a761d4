import { Command } from 'commander'
import {
  type EndpointFlags,
  endpointOptions,
  withEndpointOptions,
} from '../arguments/endpoint-options.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson, printLine } from '../output/output.ts'

interface Flags extends ClientFlags, EndpointFlags {
  readonly persistent?: boolean
}

export function createCommand(): Command {
  return withClientOptions(withEndpointOptions(new Command('create')))
    .description('make an endpoint that no sandbox has joined yet, and print its id')
    .argument('<network>', 'its name, id, or the beginning of it')
    .argument('<name>', 'what the endpoint is to be called')
    .option('--persistent', 'kept although no sandbox uses it')
    .addHelpText(
      'after',
      `
An endpoint that no sandbox joins within a minute is collected, unless it is persistent.

Examples:
  cnm endpoint create --ip 10.7.0.9 --persistent web db
  cnm endpoint create -p 8080:80 web api && cnm endpoint join web/api box`,
    )
    .action(guarded(create))
}

async function create(network: string, name: string, flags: Flags): Promise<number> {
  const { persistent, json } = flags
  return withDaemon(flags, async (cnm) => {
    const endpoint = await cnm.network(network).createEndpoint({
      name,
      ...endpointOptions(flags),
      ...(persistent ? { persistent } : {}),
    })
    if (json) printJson(endpoint.info)
    else printLine(endpoint.id)
  })
}
