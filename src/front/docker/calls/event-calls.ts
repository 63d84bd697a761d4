import type { DockerEvent } from '../event-log.ts'
import { invalid } from '../json/docker-error.ts'
import { Filters } from '../json/filters.ts'
import { parseUnixTime } from '../json/go-values.ts'
import type { Call } from './call.ts'

/** A client that doesn't read is given up when this much waits for it. */
const mostWaiting = 1024 * 1024

/** What a timer can wait for. */
const longestTimerMs = 2 ** 31 - 1

/** `GET /events`: a line of JSON each, as long as the client listens. */
export function streamEvents({ front, query, response }: Call): undefined {
  const since = timeOf(query, 'since')
  const until = timeOf(query, 'until')
  if (since !== undefined && until !== undefined && until < since) {
    throw invalid('`since` time cannot be after `until` time')
  }
  const filters = Filters.parse(query.get('filters'))
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
  const write = (event: DockerEvent) => {
    if (!isMeant(event, filters)) return
    response.write(`${eventText(event)}\n`)
    if (response.writableLength > mostWaiting) response.destroy()
  }
  if (since !== undefined || until !== undefined) {
    for (const event of front.events.between(since, until)) write(event)
  }
  const leftMs = until === undefined ? undefined : Number(until / 1_000_000n) - Date.now()
  if (leftMs !== undefined && leftMs <= 0) {
    response.end()
    return
  }
  // Who has gone already doesn't go once more.
  if (response.closed) return
  const unlisten = front.events.listen(write)
  const end = () => response.end()
  const timer = leftMs === undefined ? undefined : setTimeout(end, Math.min(leftMs, longestTimerMs))
  front.closing.addEventListener('abort', end, { once: true })
  response.once('close', () => {
    unlisten()
    clearTimeout(timer)
    front.closing.removeEventListener('abort', end)
  })
}

function timeOf(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name) ?? ''
  if (text === '') return undefined
  const time = parseUnixTime(text)
  if (time === undefined) throw invalid(`invalid value for ${name}: ${JSON.stringify(text)}`)
  return time
}

function isMeant({ action, id, attributes }: DockerEvent, filters: Filters): boolean {
  const { name = '' } = attributes
  const concerns = (key: string) => filters.begins(key, id) || filters.begins(key, name)
  return (
    filters.exact('type', 'network') &&
    filters.exact('event', action) &&
    filters.exact('scope', 'local') &&
    filters.labels('label', attributes) &&
    ['network', 'container', 'image', 'plugin', 'volume'].every(concerns)
  )
}

/** A number of nanoseconds is more than a number of JavaScript can hold. */
function eventText({ action, id, attributes, time }: DockerEvent): string {
  const seconds = Number(time / 1_000_000_000n)
  const actor = { ID: id, Attributes: attributes }
  const event = { Type: 'network', Action: action, Actor: actor, scope: 'local', time: seconds }
  return `${JSON.stringify(event).slice(0, -1)},"timeNano":${time}}`
}
