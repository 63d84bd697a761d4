import { Command } from 'commander'
import { guarded } from './output/fail.ts'

interface Flags {
  readonly runDir: string
  readonly resolvConf: string
}

export function keeperCommand(): Command {
  return new Command('keeper')
    .description('answer names and hold what must outlive the daemon, as a service of its own')
    .option(
      '--run-dir <dir>',
      'run folder of the daemon it is for (default: "/run/cnm")',
      '/run/cnm',
    )
    .option(
      '--resolv-conf <file>',
      'the host\'s resolv.conf, which is followed (default: "/etc/resolv.conf")',
      '/etc/resolv.conf',
    )
    .option('--json', 'errors as JSON')
    .addHelpText(
      'after',
      `
Without it, the daemon starts a keeper by itself. With it, systemd can look after both: it
listens at keeper.sock in the run folder, or on a socket that systemd hands on, and stays until SIGTERM. A daemon that
is started finds it there. It logs on stderr.

Examples:
  cnm keeper
  cnm keeper --run-dir /run/cnm-test --resolv-conf /run/systemd/resolve/resolv.conf`,
    )
    .action(guarded(keeper))
}

async function keeper({ runDir, resolvConf }: Flags): Promise<number> {
  const { keepForUnit } = await import('../linux/keeper.ts')
  keepForUnit({ runDir, resolvConf }, process.env)
  return 0
}
