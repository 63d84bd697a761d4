import { Command } from 'commander'
import { CnmError } from '../../base/errors.ts'
import {
  type EndpointFlags,
  endpointOptions,
  withEndpointOptions,
} from '../arguments/endpoint-options.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson } from '../output/output.ts'

export function connectCommand(): Command {
  return withClientOptions(withEndpointOptions(new Command('connect')))
    .description('connect a sandbox to a network')
    .argument('<network>', 'its name, id, or the beginning of it')
    .argument('<sandbox>', 'likewise')
    .addHelpText(
      'after',
      `
Examples:
  cnm network connect web api
  cnm network connect --ip 10.7.0.9 --alias backend web api
  cnm network connect --publish 8080:80 --gw-priority 1 web api`,
    )
    .action(guarded(connect))
}

async function connect(
  network: string,
  sandbox: string,
  flags: ClientFlags & EndpointFlags,
): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const box = cnm.sandbox(sandbox)
    const endpoint = await box.connect(network, endpointOptions(flags))
    if (flags.json) printJson(endpoint.info)
  })
}

export function disconnectCommand(): Command {
  return withClientOptions(new Command('disconnect'))
    .description('disconnect a sandbox from a network')
    .argument('<network>', 'its name, id, or the beginning of it')
    .argument('<sandbox>', 'likewise')
    .option('-f, --force', 'not being connected is no error')
    .addHelpText('after', '\nExamples:\n  cnm network disconnect web api')
    .action(guarded(disconnect))
}

async function disconnect(
  network: string,
  sandbox: string,
  flags: ClientFlags & { readonly force?: boolean },
): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const endpoints = await cnm.endpoints({ network, sandbox })
    if (endpoints.length === 0 && !flags.force) {
      throw new CnmError(
        'ENDPOINT_NOT_JOINED',
        `sandbox "${sandbox}" is not connected to network "${network}"`,
        { details: { network, sandbox }, hint: '"cnm status" shows who is connected to what' },
      )
    }
    for (const endpoint of endpoints) await endpoint.leave()
  })
}
