import { etcMounts } from '../../api/etc-mounts.ts'
import type { ExecOptions, ExecResult } from '../../api/programs.ts'
import { CnmError, cancelled, throwIfAborted } from '../../base/errors.ts'
import type { SandboxId } from '../../base/id.ts'
import type { Command, Program } from '../../kernel/kernel.ts'
import { readySandbox } from '../endpoint/draft-endpoint.ts'
import type { Engine } from '../engine.ts'
import { explain } from '../explain.ts'
import type { SandboxRecord } from '../records.ts'
import { bindFirstProgram } from './bind-program.ts'
import {
  parseArgv,
  parseExecOptions,
  parseSpawnOptions,
  type SpawnOptions,
} from './program-options.ts'
import { outputOf } from './program-output.ts'
import { filesOf, hostnameOf } from './sandbox-names.ts'

type Argv = readonly string[]

/** Resolves when the program has been started. */
export async function spawnInside(
  engine: Engine,
  id: SandboxId,
  argv: Argv,
  options: SpawnOptions,
): Promise<Program> {
  const { mountEtc = true, ...parsed } = parseSpawnOptions(options)
  const sandbox = readySandbox(engine, id)
  refuseElsewhere(sandbox)
  const { name, namespace } = sandbox
  const files = mountEtc ? filesOf(engine.sandboxDir, sandbox) : undefined
  const command: Command = {
    argv: parseArgv(argv),
    stdio: 'pipe',
    ...parsed,
    ...(files ? { mounts: etcMounts(files), hostname: hostnameOf(sandbox) } : {}),
  }
  throwIfAborted(options.signal, `starting ${argv[0]} in sandbox "${name}"`)
  try {
    const program = await engine.kernel.spawn(namespace, command)
    await bindFirstProgram(engine, id, program.pid)
    return program
  } catch (error) {
    throw explain(error, `starting ${argv[0]} in sandbox "${name}"`)
  }
}

/** Resolves when it has ended and its output is complete. */
export async function execInside(
  engine: Engine,
  id: SandboxId,
  argv: Argv,
  options: ExecOptions,
): Promise<ExecResult> {
  const { input, maxOutputBytes, ...rest } = parseExecOptions(options)
  const { signal } = options
  const program = await spawnInside(engine, id, argv, signal ? { ...rest, signal } : rest)
  let kill = () => {}
  const killed = new Promise<never>((_, reject) => {
    const over = () => {
      // Programs that it started may hold the other ends for as long as they like.
      for (const stream of [program.stdin, program.stdout, program.stderr]) stream?.destroy()
      reject(cancelled(`running ${argv[0]}`, signal))
    }
    kill = () => {
      program.kill('SIGKILL')
      program.ended.then(over, over)
    }
  })
  signal?.addEventListener('abort', kill, { once: true })
  if (signal?.aborted) kill()
  try {
    // A program that ends without reading its input is no error.
    program.stdin?.on('error', () => {})
    program.stdin?.end(input)
    const done = Promise.all([
      outputOf(program.stdout, maxOutputBytes),
      outputOf(program.stderr, maxOutputBytes),
      program.ended,
    ])
    const [stdout, stderr, ended] = await Promise.race([done, killed])
    if (signal?.aborted) throw cancelled(`running ${argv[0]}`, signal)
    return { ...ended, stdout, stderr }
  } catch (error) {
    program.kill('SIGKILL')
    throw error
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

/** Without a namespace it would be started on the host. */
function refuseElsewhere({ name, origin, runtime }: SandboxRecord): void {
  if (origin !== 'elsewhere') return
  throw new CnmError('NOT_ALLOWED', `sandbox "${name}" is a container of ${runtime}`, {
    details: { sandbox: name, runtime },
    hint: `start programs in it with ${runtime}`,
  })
}
