import { once } from 'node:events'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { report } from '../output/fail.ts'
import { printLine } from '../output/output.ts'

/**
 * Does the same to each of several things that were named, and prints the name of each it was done to; false:
 * there was nothing to be done.
 * Errors are told one by one and don't keep it from the others. Answers with the first one's exit status.
 */
export async function eachOf(
  names: readonly string[],
  flags: { readonly json?: boolean },
  work: (name: string) => Promise<boolean>,
): Promise<number> {
  const done: string[] = []
  let status = 0
  for (const name of names) {
    try {
      if (!(await work(name))) continue
      done.push(name)
      if (!flags.json) printLine(name)
    } catch (error) {
      // The daemon doesn't answer: the others needn't be tried.
      if (isCnmError(error, 'DAEMON_UNREACHABLE')) throw error
      const code = report(error, flags.json ?? false)
      status ||= code
    }
  }
  if (flags.json) printLine(JSON.stringify(done))
  return status
}

/** On a terminal the user decides; without one, it has to be said before. */
export async function confirmed(question: string, option: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CnmError('INVALID_ARGUMENT', `there is no terminal to ask on: ${question}`, {
      hint: `say so with ${option}`,
    })
  }
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Going away instead (Ctrl-C, Ctrl-D, the terminal's end) is no yes.
  const gone = once(terminal, 'close').then(() => '\n')
  const answered = terminal.question(`${question} [y/N] `).catch(() => gone)
  try {
    const answer = await Promise.race([answered, gone])
    if (answer === '\n') process.stderr.write(answer)
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
