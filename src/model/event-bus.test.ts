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
  const events = bus.listen(signal)
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  await end(events, bus)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

it('hands out what came before the end, and ends with the signal', async () => {
  const bus = new EventBus()
  const abort = new AbortController()
  const events = bus.listen(abort.signal)
  bus.emit(event)
  abort.abort()
  bus.emit(event)
  const seen: number[] = []
  for await (const { sequence } of events) seen.push(sequence)
  expect(seen).toEqual([1])
})
