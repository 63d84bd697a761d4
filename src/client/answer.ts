import { errorFrom } from '../api/problem.ts'
import type { AnswerOf, Route } from '../api/route.ts'
import type { CnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import type { Reply } from './question.ts'
import { stranger } from './unreachable.ts'

/** Made when they are first needed: a command needs one or two. */
const parsers = new Map<Route, (value: unknown) => unknown>()

/**
 * What the daemon answered. Errors: those it sent; INTERNAL, with the path in the JSON, if it isn't what the
 * route says; INVALID_ARGUMENT, if it is no daemon that answers.
 */
export function answerOf<R extends Route>(route: R, reply: Reply): AnswerOf<R> {
  if (reply.status < 200 || reply.status > 299) throw problemOf(reply)
  if (route.answer === undefined) return undefined as AnswerOf<R>
  let parse = parsers.get(route)
  if (parse === undefined) {
    const what = `the daemon's answer to ${route.method} ${route.path}`
    parse = parser(route.answer, what, 'INTERNAL')
    parsers.set(route, parse)
  }
  const body = jsonOf(reply.text)
  if (body === undefined) throw stranger(reply)
  return parse(body) as AnswerOf<R>
}

export function problemOf(reply: Reply): CnmError {
  return errorFrom(jsonOf(reply.text)) ?? stranger(reply)
}

/** undefined: it is none. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
