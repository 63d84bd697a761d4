import type { Command } from 'commander'
import type { RemoteController } from '../client/client.ts'

/** The options of every command that asks the daemon. */
export function withClientOptions(command: Command): Command {
  return command
    .option('--host <socket>', "the daemon's socket (default: CNM_HOST, or /run/cnm/cnm.sock)")
    .option('--json', 'as JSON, errors too')
}

export interface ClientFlags {
  readonly host?: string
  readonly json?: boolean
}

/** Does something with the daemon. Answers with the exit status: the number that comes of it, or 0. */
export async function withDaemon(
  { host }: Pick<ClientFlags, 'host'>,
  work: (cnm: RemoteController) => Promise<unknown>,
): Promise<number> {
  // Loaded here: `--help` and completions of what is known need none.
  const { connectController } = await import('../client/client.ts')
  const cnm = await connectController(host === undefined ? {} : { socket: host })
  try {
    const status = await work(cnm)
    return typeof status === 'number' ? status : 0
  } finally {
    await cnm.close()
  }
}
