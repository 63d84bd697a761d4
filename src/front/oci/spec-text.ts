import { randomUUID } from 'node:crypto'
import { CnmError } from '../../base/errors.ts'

/**
 * A config.json as it was written: its indentation, and numbers that JavaScript has no room for, such as the
 * limit 18446744073709551615.
 */
interface SpecText {
  readonly value: unknown
  /** With another value in place of what was read. */
  print(value: unknown): string
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
/** No text can have it by chance or by will. */
const mark = `number ${randomUUID()}:`
const marked = new RegExp(`"${mark}([^"]*)"`, 'g')

/** Errors: INVALID_ARGUMENT. `where`: how errors call it. */
export function readSpecText(text: string, where: string): SpecText {
  const indent = /^[^\n]*\n([ \t]*)/.exec(text)?.[1] ?? ''
  const end = text.endsWith('\n') ? '\n' : ''
  try {
    const value: unknown = JSON.parse(text.replace(token, withMark))
    return {
      value,
      print: (changed) => JSON.stringify(changed, undefined, indent).replace(marked, '$1') + end,
    }
  } catch (cause) {
    throw new CnmError('INVALID_ARGUMENT', `${where} is no JSON: ${(cause as Error).message}`, {
      details: { path: where },
      cause,
    })
  }
}

function withMark(text: string): string {
  const isWhole = text.startsWith('"') || String(Number(text)) === text
  return isWhole ? text : JSON.stringify(mark + text)
}
