import { Command } from 'commander'
import { CnmError } from '../../base/errors.ts'
import { given, type Pairs, pair, wholeNumber } from '../arguments/option-values.ts'
import {
  connections,
  nameOptions,
  type SandboxFlags,
  withNameOptions,
  withNetworkOptions,
} from '../arguments/sandbox-options.ts'
import { type ClientFlags, withClientOptions, withDaemon } from '../client.ts'
import { guarded } from '../output/fail.ts'
import { printJson, printLine } from '../output/output.ts'

interface Flags extends ClientFlags, SandboxFlags {
  readonly netns?: string
  readonly pid?: number
  readonly hostStack?: boolean
  readonly domainname?: string
  readonly resolver: boolean
  readonly label: Pairs
}

export function createCommand(): Command {
  const command = withClientOptions(new Command('create'))
  return withNameOptions(withNetworkOptions(command, 'none'))
    .description('make a sandbox, or adopt a network namespace as one, and print its id')
    .argument('[name]', 'what it is to be called (default: its short id)')
    .option(
      '--netns <path>',
      "another program's network namespace: /run/netns/x, /proc/1234/ns/net",
    )
    .option('--pid <pid>', 'the network namespace of that process', wholeNumber)
    .option('--host-stack', "the host's own stack, for the network host")
    .option('--domainname <name>', 'comes behind the hostname in its hosts file')
    .option('--no-resolver', 'its programs have a resolver of their own')
    .option('--label <label>', 'KEY=VALUE; may be repeated', pair, {})
    .addHelpText(
      'after',
      `
Examples:
  cnm sandbox create --network web api
  cnm sandbox create --netns /run/netns/blue --network web --ip 10.7.0.5 blue
  cnm sandbox create --pid 4711 --network web -p 8080:80`,
    )
    .action(guarded(create))
}

async function create(name: string | undefined, flags: Flags): Promise<number> {
  const { netns, pid, hostStack, domainname, resolver, label, json } = flags
  refuseLost(flags)
  return withDaemon(flags, async (cnm) => {
    const sandbox = await cnm.createSandbox({
      ...given({ name, netns, pid, host: hostStack, domainname, labels: label }),
      ...nameOptions(flags),
      ...(resolver ? {} : { resolver }),
      ...given({ connect: connections(flags, flags.network) }),
    })
    if (json) printJson(sandbox.info)
    else printLine(sandbox.id)
  })
}

/** What belongs to an endpoint would be of none. Errors: INVALID_ARGUMENT. */
function refuseLost(flags: Flags): void {
  const { network, alias, ip, ip6, publish, publishAll, expose, rateIn, rateOut, gwPriority } =
    flags
  if (network.length > 0) return
  const { addresses, macs } = flags
  const lost = given({
    ...{ alias, ip, ip6, publish, publishAll, expose, rateIn, rateOut, gwPriority },
    ...{ addresses, macs },
  })
  const [first] = Object.keys(lost)
  if (first === undefined) return
  const option = `--${first.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  throw new CnmError('INVALID_ARGUMENT', `${option} is about a network, and none is given`, {
    hint: 'give one with --network',
  })
}
