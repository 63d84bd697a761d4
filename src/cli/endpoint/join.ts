import { Command } from 'commander'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson } from '../output/output.ts'
import { endpointArgument, findEndpoint } from './find.ts'

export function joinCommand(): Command {
  return withClientOptions(new Command('join'))
    .description('join an endpoint to a sandbox, which gives that its connectivity')
    .argument('<endpoint>', endpointArgument)
    .argument('<sandbox>', 'its name, id, or the beginning of it')
    .addHelpText('after', '\nExamples:\n  cnm endpoint join web/db box')
    .action(guarded(join))
}

async function join(text: string, sandbox: string, flags: ClientFlags): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const endpoint = await findEndpoint(cnm, text)
    const info = await endpoint.join(sandbox)
    if (flags.json) printJson(info)
  })
}

export function leaveCommand(): Command {
  return withClientOptions(new Command('leave'))
    .description('take an endpoint out of its sandbox')
    .argument('<endpoint>', endpointArgument)
    .addHelpText('after', '\nExamples:\n  cnm endpoint leave web/db')
    .action(guarded(leave))
}

async function leave(text: string, flags: ClientFlags): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    await (await findEndpoint(cnm, text)).leave()
  })
}
