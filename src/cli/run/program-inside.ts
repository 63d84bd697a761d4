import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { etcMounts } from '../../api/etc-mounts.ts'
import type { SandboxInfo } from '../../api/shapes.ts'
import { CnmError } from '../../base/errors.ts'
import type { StartedProgram } from '../../linux/program.ts'

export type Argv = readonly [string, ...string[]]

/** Errors: INVALID_ARGUMENT. */
export function argvOf([command, ...rest]: readonly string[]): Argv {
  if (command) return [command, ...rest]
  throw new CnmError('INVALID_ARGUMENT', 'no command was given')
}

/** A child of this process inside a sandbox, with this process's terminal, environment, folder and limits. */
export interface Starter extends AsyncDisposable {
  start(sandbox: SandboxInfo, argv: Argv, mountEtc: boolean): Promise<StartedProgram>
}

/** Made ready while the daemon is asked. */
export function starter(): Starter {
  // Loaded here, as nothing else needs native code.
  const loading = import('../../linux/program.ts').then(({ ProgramThread }) => new ProgramThread())
  // The caller that starts a program hears of it.
  loading.catch(() => {})
  return {
    start: async ({ namespace, files, hostname }, argv, mountEtc) => {
      const view = mountEtc && files !== undefined
      if (view) warnOfNoNames()
      return (await loading).start(namespace, {
        argv,
        ...(view ? { mounts: etcMounts(files) } : {}),
        ...(view && hostname !== undefined ? { hostname } : {}),
      })
    },
    [Symbol.asyncDispose]: async () => {
      await loading.then((thread) => thread.close()).catch(() => {})
    },
  }
}

/** There is nothing that the sandbox's own could be seen in place of. */
function warnOfNoNames(): void {
  if (existsSync('/etc/resolv.conf')) return
  process.stderr.write(
    'cnm: this host has no /etc/resolv.conf, so the program finds no names; an empty file is enough\n',
  )
}

/** As shells tell how a program has ended. */
export async function statusOf({ ended }: StartedProgram): Promise<number> {
  const { code, signal } = await ended
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
}
