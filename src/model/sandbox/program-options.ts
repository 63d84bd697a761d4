import { type Cancellable, strict, withoutSignal } from '../../api/option-fields.ts'
import type { ExecOptions } from '../../api/programs.ts'
import { CnmError } from '../../base/errors.ts'
import { parser } from '../../base/parse.ts'
import { Type } from '../../base/schema.ts'

/** How a program is started. */
export interface SpawnOptions extends Cancellable {
  readonly cwd?: string
  /** The whole environment; default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** 'inherit': this process's own 0, 1 and 2. Default: 'pipe'. */
  readonly stdio?: 'inherit' | 'pipe'
  /**
   * It sees the sandbox's hosts, resolv.conf and hostname in /etc, in a mount namespace of its own, and
   * has the sandbox's hostname. Default: true; the host's sandboxes have none.
   */
  readonly mountEtc?: boolean
}

const NoNul = Type.String({ pattern: '^[^\\0]*$' })

const programFields = {
  cwd: Type.Optional(NoNul),
  env: Type.Optional(Type.Record(Type.String(), Type.Union([NoNul, Type.Undefined()]))),
  mountEtc: Type.Optional(Type.Boolean()),
}
const Spawn = Type.Object(
  {
    ...programFields,
    stdio: Type.Optional(Type.Union([Type.Literal('inherit'), Type.Literal('pipe')])),
  },
  strict,
)
const Exec = Type.Object(
  {
    ...programFields,
    input: Type.Optional(Type.String()),
    maxOutputBytes: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  strict,
)

const spawnParser = parser(Spawn, 'program options')
const execParser = parser(Exec, 'program options')
export const parseSpawnOptions = (value: SpawnOptions) => spawnParser(withoutSignal(value))
export const parseExecOptions = (value: ExecOptions) => execParser(withoutSignal(value))

/** A program and its arguments, as the kernel can take them. */
export function parseArgv(value: readonly string[]): readonly [string, ...string[]] {
  const ok =
    Array.isArray(value) &&
    value.every((each) => typeof each === 'string' && !each.includes('\0')) &&
    Boolean(value[0])
  if (ok) return value as unknown as [string, ...string[]]
  throw new CnmError('INVALID_ARGUMENT', 'argv is no list of a program and its arguments', {
    hint: 'give strings without NUL, the program first: ["ip", "link"]',
  })
}
