import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from './log.ts'
import type { Peer } from './service.ts'

/** Facts for the line of a request that is being answered; later ones are added. */
export type Note = (facts: object) => void

/**
 * One line for each request to another API when it has been answered: who asked for what, with what its front
 * notes of it. Of the query only the path is told.
 */
export function frontLog(
  name: string,
  log: Log,
  peerOf: (request: IncomingMessage) => Peer | undefined,
): (request: IncomingMessage, response: ServerResponse) => Note {
  return (request, response) => {
    const begin = performance.now()
    const noted: Record<string, unknown> = {}
    response.once('close', () => {
      const ms = Math.round((performance.now() - begin) * 10) / 10
      const { method = '', url = '' } = request
      const status = response.writableFinished ? response.statusCode : 'cancelled'
      const facts = { ...noted, status, ms, ...peerOf(request) }
      const isQuestion = method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
      const message = `${name}: ${method} ${url.split('?')[0]}`
      if (isQuestion) log.debug(facts, message)
      else log.info(facts, message)
    })
    return (facts) => void Object.assign(noted, facts)
  }
}
