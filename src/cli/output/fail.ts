import { Command } from 'commander'
import { CnmError, type ErrorCode, type ErrorKind, isCnmError } from '../../base/errors.ts'
import { inFlags } from '../arguments/in-flags.ts'

const exitCodes: Readonly<Record<ErrorKind, number>> = {
  internal: 1,
  invalid: 2,
  'not-found': 3,
  conflict: 4,
  forbidden: 5,
  unavailable: 6,
  'not-implemented': 7,
  cancelled: 130,
}

/** A program that can't be run is told apart as shells do it. */
const shellCodes: Partial<Record<ErrorCode, number>> = {
  COMMAND_NOT_EXECUTABLE: 126,
  COMMAND_NOT_FOUND: 127,
}

/** Makes an action that answers errors with a sentence, a hint and the right exit status. */
export function guarded<Args extends unknown[]>(
  action: (...args: Args) => Promise<number>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    try {
      process.exitCode = await action(...args)
    } catch (error) {
      const last = args.at(-1)
      const json = last instanceof Command && last.opts().json === true
      process.exitCode = report(error, json)
    }
  }
}

/** Says what went wrong on stderr and answers with the exit status. */
export function report(error: unknown, json: boolean): number {
  const known = isCnmError(error)
    ? inFlags(error)
    : new CnmError('INTERNAL', error instanceof Error ? error.message : String(error))
  if (json) {
    process.stderr.write(`${JSON.stringify(known)}\n`)
  } else {
    process.stderr.write(`cnm: ${known.message}\n`)
    if (known.hint !== undefined) process.stderr.write(`hint: ${known.hint}\n`)
    if (known.kind === 'internal' && process.env.CNM_DEBUG) console.error(error)
  }
  return shellCodes[known.code] ?? exitCodes[known.kind]
}

/** Tells what is wrong with the line of that command, `cnm network create`, in the same form. */
export function usageErrorOf(command: string): (text: string) => void {
  return (text) => {
    const message = text.replace(/^error: /, '').trim()
    const hint = `"${command} --help" says how it is used`
    report(new CnmError('INVALID_ARGUMENT', message, { hint }), wantsJson(process.argv))
  }
}

/** Behind `--` it is meant for another program. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? undefined : end).includes('--json')
}
