import { errorFrom } from '../api/problem.ts'
import type { AnswerOf, Route } from '../api/route.ts'
import type { CnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'

/** Made when they are first needed: a command needs one or two. */
const parsers = new Map<Route, (value: unknown) => unknown>()

/** What the daemon answered. Errors: those it sent; INTERNAL, with the path in the JSON, if it isn't what the route says. */
export function answerOf<R extends Route>(route: R, status: number, text: string): AnswerOf<R> {
  if (status < 200 || status > 299) throw problemOf(status, text)
  if (route.answer === undefined) return undefined as AnswerOf<R>
  let parse = parsers.get(route)
  if (parse === undefined) {
    const what = `the daemon's answer to ${route.method} ${route.path}`
    parse = parser(route.answer, what, 'INTERNAL')
    parsers.set(route, parse)
  }
  return parse(jsonOf(text)) as AnswerOf<R>
}

export function problemOf(status: number, text: string): CnmError {
  return errorFrom(jsonOf(text), status)
}

/** A text that isn't JSON stays as it is; no answer is a text. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
