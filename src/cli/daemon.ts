import { Command } from 'commander'
import { guarded } from './output/fail.ts'

interface Flags {
  readonly config?: string
  readonly stateDir?: string
  readonly runDir?: string
  readonly logLevel?: string
  readonly idleExit?: string
  readonly docker: boolean
  readonly dockerPluginDir?: string
  readonly handBack?: boolean
}

export function daemonCommand(): Command {
  return new Command('daemon')
    .description('run the engine as a service, for all other commands and for programs')
    .option('--config <file>', 'configuration file, JSON')
    .option('--state-dir <dir>', 'where networks are kept (default: "/var/lib/cnm")')
    .option(
      '--run-dir <dir>',
      'where sockets, namespaces and the state of this boot are kept (default: "/run/cnm")',
    )
    .option('--log-level <level>', 'debug, info, warn or error (default: "info")')
    .option(
      '--idle-exit <duration>',
      'end after there has been no sandbox, request or stream for so long: 30s, 5m (default: never)',
    )
    .option('--no-docker', "don't serve Docker's network API")
    .option(
      '--docker-plugin-dir <dir>',
      'serve dockerd as its network plugin "cnm", at cnm.sock in this folder (default: "/run/docker/plugins", if it is there and --run-dir is not given)',
    )
    .option(
      '--hand-back',
      'prepare the host, with all that runs, for the release before this one, and end',
    )
    .option('--json', 'errors as JSON')
    .addHelpText(
      'after',
      `
It listens at cnm.sock and docker.sock in the run folder, for root and the group "cnm"; who may use them is as
good as root. It logs lines of JSON on stderr. Flags count before the environment (CNM_CONFIG, CNM_STATE_DIR,
CNM_RUN_DIR, CNM_LOG_LEVEL, CNM_IDLE_EXIT) and that before the file.

SIGTERM ends it when the requests that go on have been answered. Sandboxes, their ports and names go on
without it, also when it is killed, and the next one takes them over.

To go back to the release before: stop the daemon, run "cnm daemon --hand-back" with the same folders, and
start that release. Sandboxes, names, ports and flows go on meanwhile.

Examples:
  cnm daemon
  cnm daemon --log-level debug --idle-exit 5m
  cnm daemon --config /etc/cnm/daemon.json
  cnm daemon --state-dir /srv/cnm --run-dir /run/cnm-test --no-docker`,
    )
    .action(guarded(daemon))
}

async function daemon({ config, docker, handBack, ...flags }: Flags): Promise<number> {
  // Other commands start sooner without it.
  const { runDaemon, runHandBack } = await import('../linux/daemon.ts')
  const { stateDir, runDir, logLevel, idleExit, dockerPluginDir } = flags
  const run = handBack ? runHandBack : runDaemon
  await run({
    ...(config === undefined ? {} : { file: config }),
    // On is only the default: the file may say that it is off.
    flags: { stateDir, runDir, logLevel, idleExit, dockerPluginDir, ...(docker ? {} : { docker }) },
  })
  return 0
}
