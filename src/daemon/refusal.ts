import type { FastifyError } from 'fastify'
import { problemStatus } from '../api/problem.ts'
import { CnmError, isCnmError } from '../base/errors.ts'

/** The largest body that is read. */
export const bodyLimit = 1024 * 1024

export interface Refusal {
  readonly status: number
  readonly error: CnmError
}

/** What is answered to a request that failed, wherever it was thrown. */
export function refusalOf(error: unknown): Refusal {
  if (isCnmError(error)) return { status: problemStatus(error.kind), error }
  const { code, statusCode, message } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return invalid(413, `the body is larger than ${bodyLimit} bytes`, 'send less at once')
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return invalid(400, 'the body is of a type that is not understood', 'send application/json')
  }
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return invalid(400, 'the body is no JSON', 'send an object as JSON')
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return invalid(statusCode, `this request can't be understood: ${message}`)
  }
  const text = message === undefined || message === '' ? String(error) : message
  return { status: 500, error: new CnmError('INTERNAL', text, { cause: error }) }
}

export function unknownRoute(method: string, url: string): Refusal {
  const [path = url] = url.split('?')
  const error = new CnmError('ROUTE_NOT_FOUND', `there is nothing to ${method} at ${path}`, {
    details: { method, path },
    hint: 'GET /v1/openapi.json lists what there is',
  })
  return { status: 404, error }
}

function invalid(status: number, message: string, hint?: string): Refusal {
  const options = hint === undefined ? {} : { hint }
  return { status, error: new CnmError('INVALID_ARGUMENT', message, options) }
}
