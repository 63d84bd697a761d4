import { Command } from 'commander'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson, printLine } from '../output/output.ts'
import { bindingText } from '../output/words.ts'
import { endpointArgument, findEndpoint } from './find.ts'

export function publishCommand(): Command {
  return withClientOptions(new Command('publish'))
    .description('publish more ports of an endpoint at the host, all of them or none')
    .argument('<endpoint>', endpointArgument)
    .argument('<ports...>', '8080:80, 127.0.0.1:53:53/udp, 8000-8009:9000-9009')
    .addHelpText(
      'after',
      `
Examples:
  cnm endpoint publish web/api 8080:80
  cnm endpoint publish web/api 127.0.0.1:9090:9090 5000-5999:5000-5999/udp`,
    )
    .action(guarded(publish))
}

async function publish(
  text: string,
  ports: readonly string[],
  flags: ClientFlags,
): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const bindings = await (await findEndpoint(cnm, text)).publish(ports)
    if (flags.json) printJson(bindings)
    else for (const binding of bindings) printLine(bindingText(binding))
  })
}

export function unpublishCommand(): Command {
  return withClientOptions(new Command('unpublish'))
    .description('end publishing ports, also some of a range')
    .argument('<endpoint>', endpointArgument)
    .argument('<ports...>', 'as they were published; 80 alone: wherever it is published')
    .addHelpText('after', '\nExamples:\n  cnm endpoint unpublish web/api 8080:80')
    .action(guarded(unpublish))
}

async function unpublish(
  text: string,
  ports: readonly string[],
  flags: ClientFlags,
): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    await (await findEndpoint(cnm, text)).unpublish(ports)
  })
}
