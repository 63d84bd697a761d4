import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { etcMounts } from '../../api/etc-mounts.ts'
import type { SandboxInfo } from '../../api/shapes.ts'
import { CnmError } from '../../base/errors.ts'
import type { Controller } from '../../client/client.ts'
import { isOurs, type OciOptions, optionsOf } from '../../front/oci/annotations.ts'
import {
  isMounted,
  type OciSpec,
  parseSpec,
  refuseMounts,
  refuseNamespace,
  rootOf,
} from '../../front/oci/spec.ts'
import { readSpecText } from '../../front/oci/spec-text.ts'
import {
  hasStopped,
  type NewContainer,
  newContainer,
  type OciState,
  parseState,
} from '../../front/oci/state.ts'
import { guarded } from '../output/fail.ts'
import type { DaemonFlags } from '../run/daemon-flags.ts'
import { sandboxOn } from '../run/run-sandbox.ts'
import { readFileOf } from './oci-files.ts'

/** A runtime waits, and not all of them for a limited time. A daemon may have to be started first. */
export const patienceSeconds = 25

export function withDaemonOptions(command: Command): Command {
  return command
    .option('--host <socket>', "the daemon's socket; then none is started (default: CNM_HOST)")
    .option('--state-dir <dir>', 'of a daemon that is started (default: /var/lib/cnm)')
    .option('--run-dir <dir>', "the daemon's, with its socket (default: /run/cnm)")
    .option('--json', 'errors as JSON')
}

export function ociHookCommand(): Command {
  return withDaemonOptions(new Command('oci-hook'))
    .description('attach a container of runc or crun, or remove it: what these call as a hook')
    .addHelpText(
      'after',
      `
To be called as createRuntime and as poststop, with the state of the container on standard input. Its
annotations say how it is attached; without any of ours nothing is done. "cnm oci-spec" puts both into a bundle.

Examples:
  "hooks": { "createRuntime": [{ "path": "/usr/local/bin/cnm", "args": ["cnm", "oci-hook"] }] }`,
    )
    .action(guarded(hook))
}

async function hook(flags: DaemonFlags): Promise<number> {
  const signal = AbortSignal.timeout(patienceSeconds * 1000)
  try {
    const state = parseState(process.stdin.isTTY ? '' : await stateText(signal))
    if (hasStopped(state)) await remove(state, flags, signal)
    else await attach(newContainer(state), flags, signal)
    return 0
  } catch (error) {
    // Who can't be heard can't say so, either.
    const speaking = import('../../linux/container.ts').then((linux) => linux.speakThroughParent())
    await speaking.catch(() => {})
    throw signal.aborted ? tooLate(error) : error
  }
}

function stateText(signal: AbortSignal): Promise<string> {
  return text(addAbortSignal(signal, process.stdin))
}

function tooLate(cause: unknown): CnmError {
  return new CnmError('DAEMON_UNREACHABLE', `this takes longer than ${patienceSeconds} s`, {
    hint: 'see whether "cnm status" answers; without a state on standard input nothing is asked at all',
    cause,
  })
}

async function attach(
  container: NewContainer,
  flags: DaemonFlags,
  signal: AbortSignal,
): Promise<void> {
  const { pid, bundle, annotations = {} } = container
  const options = optionsOf(annotations)
  if (options === undefined) return
  const path = join(bundle, 'config.json')
  const spec = parseSpec(readSpecText(await readFileOf(path), path).value)
  const { sandbox: name, mountEtc = true } = options
  if (name === undefined) refuseNamespace(spec)
  if (mountEtc) refuseMounts(spec)
  const mounting = mountEtc ? import('../../linux/container.ts') : undefined
  // The caller that mounts hears of it.
  mounting?.catch(() => {})
  const { daemonAt } = await import('../run/daemon-flags.ts')
  const cnm = await daemonAt(flags, signal)
  try {
    const sandbox = await (name === undefined
      ? adopted(cnm, container, spec, options, signal)
      : shared(cnm, container, name, signal))
    try {
      const mounts = mountsOf(sandbox, spec)
      const [root, isReadOnly] = [rootOf(spec, bundle), spec.root.readonly === true]
      if (mounting !== undefined) {
        ;(await mounting).mountInContainer({ pid, root, isReadOnly }, mounts)
      }
    } catch (error) {
      // What is left then goes with the container, which isn't created.
      if (name === undefined) {
        await cnm
          .sandbox(sandbox.id)
          .delete({ signal })
          .catch(() => {})
      }
      throw error
    }
  } finally {
    await cnm.close()
  }
}

async function adopted(
  cnm: Controller,
  { id, pid, bundle }: NewContainer,
  { hostname }: OciSpec,
  options: OciOptions,
  signal: AbortSignal,
): Promise<SandboxInfo> {
  const labels = { [label.container]: id, [label.bundle]: bundle }
  const flags = { name: id, ...(hostname === undefined ? {} : { hostname }), ...options }
  const place = () => ({ pid, labels })
  return (await sandboxOn(cnm, flags, place, signal)).info
}

/** One that is there, and in which the runtime has put the container. Errors: INVALID_ARGUMENT. */
async function shared(
  cnm: Controller,
  { id, pid, bundle }: NewContainer,
  name: string,
  signal: AbortSignal,
): Promise<SandboxInfo> {
  const sandbox = await cnm.sandbox(name).inspect({ signal })
  const { namespace } = sandbox
  if (namespace !== undefined && isSame(namespace.path, `/proc/${pid}/ns/net`)) {
    return sandbox
  }
  throw new CnmError('INVALID_ARGUMENT', `container ${id} is not in sandbox "${name}"`, {
    details: { container: id, sandbox: name },
    hint: `"cnm oci-spec --sandbox ${name} ${bundle}" names its network namespace in config.json`,
  })
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }))
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

/** Of the sandbox's files those that the bundle has nothing else for. */
function mountsOf({ files }: SandboxInfo, spec: OciSpec) {
  const mounts = files === undefined ? [] : etcMounts(files)
  return mounts.filter(({ target }) => target.startsWith('/etc/') && !isMounted(spec, target))
}

/** Its own sandbox. What another container of this name has now stays. */
async function remove(
  { id, bundle, annotations = {} }: OciState,
  flags: DaemonFlags,
  signal: AbortSignal,
): Promise<void> {
  if (!Object.keys(annotations).some(isOurs)) return
  const { runningDaemon } = await import('../run/daemon-flags.ts')
  const cnm = await runningDaemon(flags, signal)
  // The next one sees that the container has ended.
  if (cnm === undefined) return
  try {
    for (const sandbox of await cnm.sandboxes({ signal })) {
      const { labels, namespace } = sandbox.info
      const isOurs = labels[label.container] === id && labels[label.bundle] === bundle
      const isDead = namespace !== undefined && !existsSync(namespace.path)
      if (isOurs && isDead) await sandbox[Symbol.asyncDispose]()
    }
  } finally {
    await cnm.close()
  }
}

const label = { container: 'oci.container', bundle: 'oci.bundle' } as const
