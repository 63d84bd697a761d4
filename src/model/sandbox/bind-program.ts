import { CnmError, isCnmError } from '../../base/errors.ts'
import type { SandboxId } from '../../base/id.ts'
import { parser } from '../../base/parse.ts'
import { Type } from '../../base/schema.ts'
import { readySandbox } from '../endpoint/draft-endpoint.ts'
import { type Engine, put } from '../engine.ts'
import type { Parts } from '../parts.ts'
import type { SandboxRecord } from '../records.ts'

const parsePid = parser(Type.Integer({ minimum: 1 }), 'pid')

/** The process an ephemeral sandbox goes with from now on, in place of the one it went with so far. */
export async function bindProgram(
  engine: Engine,
  id: SandboxId,
  given: number,
  signal?: AbortSignal,
): Promise<void> {
  const pid = parsePid(given)
  await bind(engine, id, signal, (parts) => withProgram(parts, readySandbox(parts, id), pid))
}

/** The first program started in an ephemeral sandbox, where none was bound. */
export async function bindFirstProgram(engine: Engine, id: SandboxId, pid: number): Promise<void> {
  if (!engine.state.sandboxes.get(id)?.ephemeral) return
  await bind(engine, id, undefined, ({ state }) => {
    const sandbox = state.sandboxes.get(id)
    if (sandbox === undefined || sandbox.program !== undefined) return undefined
    return { ...sandbox, program: pid }
  })
}

type Bound = SandboxRecord | undefined

async function bind(
  engine: Engine,
  id: SandboxId,
  signal: AbortSignal | undefined,
  gather: (parts: Parts) => Bound | Promise<Bound>,
): Promise<void> {
  const what = `binding ${engine.nameOf(id)} to a process`
  await engine.changes.change<Bound, void>(
    { what, keys: [id], signal },
    {
      gather,
      plan: (bound, { state }) => {
        if (bound === undefined) return { settle: () => {} }
        return {
          step: { claims: [], intent: [], done: [put('sandbox', bound)], undone: [] },
          settle: ({ sandboxes }) => {
            state.putSandbox(bound)
            sandboxes.add(id)
          },
        }
      },
    },
  )
}

/**
 * A sandbox that goes with that process: one inside it, or one of the host that is about to start a
 * program inside. Errors: NAMESPACE_NOT_FOUND (no such process), NOT_ALLOWED.
 */
export async function withProgram(
  engine: Parts,
  sandbox: SandboxRecord,
  pid: number,
): Promise<SandboxRecord> {
  const { creator: was, ...rest } = sandbox
  const place = await placeOf(engine, { pid })
  if (!sandbox.ephemeral) {
    throw refused(sandbox, pid, 'it goes with no process', 'make an ephemeral one')
  }
  const { namespace } = sandbox
  const inside = namespace === undefined ? 'host' : await cookieOf(engine, namespace.path)
  if (place === inside) return { ...rest, program: pid }
  if (place === 'host' && (was || sandbox.program === undefined)) {
    return { ...rest, program: pid, creator: true }
  }
  const where = place === 'host' ? 'on the host' : 'in another network namespace'
  throw refused(sandbox, pid, `that process is ${where}`, 'give one that runs in the sandbox')
}

function refused({ name }: SandboxRecord, pid: number, why: string, hint: string): CnmError {
  return new CnmError('NOT_ALLOWED', `sandbox "${name}" can't go with process ${pid}: ${why}`, {
    details: { sandbox: name, pid },
    hint,
  })
}

/** Whether the process that it goes with is still there. A number may be another process's by now. */
export async function hasItsProgram(
  engine: Parts,
  { program, creator }: SandboxRecord,
  cookie: string | undefined,
): Promise<boolean> {
  if (program === undefined) return true
  const place = await placeOf(engine, { pid: program }).catch(ignoreGone)
  return place === (cookie ?? 'host') || (creator === true && place === 'host')
}

/** undefined: it is gone. */
export function cookieOf(engine: Parts, path: string): Promise<string | undefined> {
  return placeOf(engine, { path }).catch(ignoreGone)
}

async function placeOf(
  engine: Parts,
  target: Parameters<Parts['kernel']['adopt']>[0],
): Promise<string | undefined> {
  try {
    return (await engine.kernel.adopt(target)).namespace.cookie
  } catch (error) {
    if (isCnmError(error, 'HOST_NAMESPACE')) return 'host'
    throw error
  }
}

function ignoreGone(error: unknown): undefined {
  if (!isCnmError(error, 'NAMESPACE_NOT_FOUND')) throw error
}
