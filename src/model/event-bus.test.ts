import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import { EventBus } from './event-bus.ts'

const event = { type: 'network', action: 'create', id: '1', name: 'web', attributes: {} } as const

it.each([
  [
    'the loop is left',
    async (events: ReturnType<EventBus['listen']>, bus: EventBus) => {
      bus.emit(event)
      for await (const { name } of events) {
        expect(name).toBe('web')
        break
      }
    },
  ],
  ['it is disposed of', (events: ReturnType<EventBus['listen']>) => events[Symbol.asyncDispose]()],
  ['the bus is closed', async (_: unknown, bus: EventBus) => bus.close()],
])('takes its hands off the signal when %s', async (_, end) => {
  const bus = new EventBus()
  const { signal } = new AbortController()
  const events = bus.listen({ signal })
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  await end(events, bus)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

it('hands out what came before the end, and ends with the signal', async () => {
  const bus = new EventBus()
  const abort = new AbortController()
  const events = bus.listen({ signal: abort.signal })
  bus.emit(event)
  abort.abort()
  bus.emit(event)
  const seen: number[] = []
  for await (const { sequence } of events) seen.push(sequence)
  expect(seen).toEqual([1])
})

async function taken(events: ReturnType<EventBus['listen']>, count: number): Promise<number[]> {
  const seen: number[] = []
  for await (const { sequence } of events) {
    seen.push(sequence)
    if (seen.length === count) break
  }
  return seen
}

it('begins after the event that is known, and loses and doubles nothing', async () => {
  const bus = new EventBus()
  const events = bus.listen()
  bus.emit(event)
  bus.emit(event)
  const [last = 0] = (await taken(events, 2)).slice(-1)
  bus.emit(event)
  const again = bus.listen({ since: last, instance: bus.instance })
  bus.emit(event)
  expect(await taken(again, 2)).toEqual([3, 4])
  expect(await taken(bus.listen({ since: 0 }), 4)).toEqual([1, 2, 3, 4])
})

it('tells who comes too late, and who means another engine', () => {
  const bus = new EventBus(4)
  for (let count = 0; count < 10; count += 1) bus.emit(event)
  expect(() => bus.listen({ since: 2 })).toThrow(
    /^there is no .* event 2: those before number \d+ are/,
  )
  expect(() => bus.listen({ since: 11 })).toThrow('started anew')
  expect(() => bus.listen({ since: 9, instance: 'other' })).toThrow('started anew')
  expect(() => bus.listen({ since: 9, instance: bus.instance })).not.toThrow()
})

it('keeps a bounded number of events, and ends with who falls behind', async () => {
  const bus = new EventBus(4)
  const events = bus.listen()
  for (let count = 0; count < 4; count += 1) bus.emit(event)
  expect(await taken(bus.listen({ since: 0 }), 4)).toEqual([1, 2, 3, 4])
  for (let count = 0; count < 100; count += 1) bus.emit(event)
  await expect(taken(events, 1)).rejects.toMatchObject({ code: 'EVENTS_LOST' })
  // It has let go of the bus.
  bus.close()
})
