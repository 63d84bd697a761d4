import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Cancellable } from '../api/option-fields.ts'
import type { CnmEvent, DnsQuery } from '../api/reports.ts'
import { routes } from '../api/routes.ts'
import type { EventStream, EventsOptions, Stream } from '../api/streams.ts'
import { CnmError, isCnmError } from '../base/errors.ts'
import type { Connection } from './connection.ts'

/** How often a lost stream is asked for again before it is given up, and how long it waits in between. */
interface Patience {
  readonly tries: number
  readonly longestMs: number
}

const patient: Patience = { tries: 24, longestMs: 500 }

/** Events from now on, through any interruption that costs none. Errors: EVENTS_LOST, DAEMON_UNREACHABLE. */
export async function openEvents(
  connection: Connection,
  options: EventsOptions,
  patience = patient,
): Promise<EventStream> {
  const life = new Life(connection, options.signal)
  const { signal } = life
  const open = (query: Place) => connection.stream(routes.events, { query, signal })
  try {
    const first = await open({ since: options.since, instance: options.instance })
    const place = placeOf(first.headers)
    return { ...life.stream(following(first.values, place, open, patience, signal)), ...place }
  } catch (error) {
    const { over } = life
    life.end()
    if (!over) throw error
    const { since = 0, instance = '' } = options
    return { ...life.stream(nothing<CnmEvent>()), since, instance }
  }
}

interface Place {
  readonly since: number | undefined
  readonly instance: string | undefined
}

/** Where a stream begins, which is known before its first event. */
function placeOf(headers: IncomingHttpHeaders): {
  readonly since: number
  readonly instance: string
} {
  const { 'cnm-instance': instance, 'cnm-sequence': sequence } = headers
  if (typeof instance === 'string' && typeof sequence === 'string' && /^\d+$/.test(sequence)) {
    return { since: Number(sequence), instance }
  }
  throw new CnmError('INTERNAL', 'the daemon does not say where its events begin', {
    hint: 'see whether the socket is that of a cnm daemon',
  })
}

/** Queries from now on; if the connection is lost, so are they: DAEMON_UNREACHABLE. */
export async function openQueries(
  connection: Connection,
  options: Cancellable,
): Promise<Stream<DnsQuery>> {
  const life = new Life(connection, options.signal)
  try {
    const { values } = await connection.stream(routes.queries, { signal: life.signal })
    return life.stream(values)
  } catch (error) {
    if (life.over) return life.stream(nothing<DnsQuery>())
    throw error
  }
}

/** When a stream is over: the user's signal, the client's end, its own. */
class Life {
  readonly signal: AbortSignal
  readonly #end = new AbortController()
  readonly #user: AbortSignal | undefined

  constructor(connection: Connection, user: AbortSignal | undefined) {
    this.#user = user
    const signals = [this.#end.signal, connection.closing, ...(user ? [user] : [])]
    this.signal = AbortSignal.any(signals)
  }

  /** A client that was closed before it was asked has an error to tell. */
  get over(): boolean {
    return this.#user?.aborted === true || this.#end.signal.aborted
  }

  end(): void {
    this.#end.abort()
  }

  stream<Each>(values: AsyncGenerator<Each, void, undefined>): Stream<Each> {
    const { signal } = this
    const end = () => this.end()
    async function* quietly(): AsyncGenerator<Each, void, undefined> {
      try {
        yield* values
      } catch (error) {
        if (!signal.aborted) throw error
      } finally {
        end()
      }
    }
    const iterator = quietly()
    return {
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: async () => end(),
    }
  }
}

async function* nothing<Each>(): AsyncGenerator<Each, void, undefined> {}

type Events = AsyncGenerator<CnmEvent, void, undefined>

async function* following(
  first: Events,
  { since, instance }: Place,
  open: (place: Place) => Promise<{ readonly values: Events }>,
  { tries, longestMs }: Patience,
  signal: AbortSignal,
): Events {
  let events: Events | undefined = first
  let last = since
  let failures = 0
  while (true) {
    try {
      events ??= (await open({ since: last, instance })).values
      for await (const event of events) {
        failures = 0
        last = event.sequence
        yield event
      }
    } catch (error) {
      events = undefined
      failures += 1
      if (!isCnmError(error, 'DAEMON_UNREACHABLE') || failures > tries) throw error
    }
    // At once, then less and less often.
    if (failures > 1) await pause(Math.min(10 * 2 ** failures, longestMs), undefined, { signal })
  }
}
