import { clientReply } from '../../../dns/answer/client-reply.ts'
import type { ExtendedError } from '../../../dns/answer/reply-writer.ts'
import { Code, ExtendedCode, emptyReply, type Question } from '../../../dns/message/message.ts'
import type { UpstreamAnswer } from '../../../dns/upstream/upstream-answer.ts'
import type { Upstreams } from '../../../dns/view/names.ts'
import type { AnswerSource } from '../../../kernel/kernel.ts'
import type { FoundAnswer } from './answer-cache.ts'

export interface Asker {
  /** Its id. */
  readonly sandbox: string
  readonly transport: 'udp' | 'tcp'
  readonly upstreams: Exclude<Upstreams, { from: 'none' }>
  /** A socket of the sandbox. */
  readonly beside: number
}

/** A query that has come. */
export interface ClientQuery {
  readonly bytes: Buffer
  readonly question: Question
  readonly from: Asker
}

export interface Forwarded {
  /** As it is to be sent. */
  readonly answer: Buffer
  readonly source: AnswerSource
  readonly code: number
}

/** RFC 8767. */
const STALE_TTL = 30

export const TOO_MANY: ExtendedError = {
  code: ExtendedCode.NOT_READY,
  text: 'too many queries at once',
}

/** What an upstream has just said. */
export function fromUpstream({ question, from }: ClientQuery, answer: UpstreamAnswer): Forwarded {
  const { transport } = from
  const reply = clientReply(question, answer, { transport, ttl: (seconds) => seconds })
  return { answer: reply, source: 'upstream', code: answer.code }
}

/** The same, some time after. */
export function fromCache({ question, from }: ClientQuery, found: FoundAnswer): Forwarded {
  const { answer, ageSeconds } = found
  const { transport } = from
  const ttl = (seconds: number) => Math.max(0, seconds - ageSeconds)
  const reply = clientReply(question, answer, { transport, ttl })
  return { answer: reply, source: 'cache', code: answer.code }
}

/** Its time is over, but it may still be right. */
export function fromStale({ question, from }: ClientQuery, { answer }: FoundAnswer): Forwarded {
  const { transport } = from
  const isNoName = answer.code === Code.NXDOMAIN
  const extended = { code: isNoName ? ExtendedCode.STALE_NXDOMAIN : ExtendedCode.STALE_ANSWER }
  const reply = clientReply(question, answer, { transport, ttl: () => STALE_TTL, extended })
  return { answer: reply, source: 'stale', code: answer.code }
}

export function failed({ bytes }: Pick<ClientQuery, 'bytes'>, why: ExtendedError): Forwarded {
  const answer = emptyReply(bytes, Code.SERVFAIL, why)
  return { answer, source: 'failed', code: Code.SERVFAIL }
}

/** It and others have asked for too much. */
export function refused({ bytes }: ClientQuery): Forwarded {
  const answer = emptyReply(bytes, Code.REFUSED, TOO_MANY)
  return { answer, source: 'refused', code: Code.REFUSED }
}

export function malformed(bytes: Buffer): Forwarded {
  const answer = emptyReply(bytes, Code.FORMERR)
  return { answer, source: 'malformed', code: Code.FORMERR }
}
