import { expect, it } from 'vitest'
import { EventStreams } from './event-streams.ts'

async function collect(stream: AsyncIterable<number>): Promise<number[]> {
  const seen: number[] = []
  for await (const event of stream) seen.push(event)
  return seen
}

it('gives everyone all that comes after they asked, in order', async () => {
  const streams = new EventStreams<number>()
  const first = streams.open()
  streams.publish([1, 2])
  const second = streams.open()
  streams.publish([3])
  const seen = [collect(first), collect(second)]
  streams.publish([4])
  // Whoever is reading gets what is there before the end.
  await Promise.resolve()
  setImmediate(() => streams.end())
  expect(await Promise.all(seen)).toEqual([
    [1, 2, 3, 4],
    [3, 4],
  ])
})

it('ends one stream on abort, and goes on with the others', async () => {
  const streams = new EventStreams<number>()
  const abort = new AbortController()
  const [ended, other] = [collect(streams.open(abort.signal)), streams.open()]
  abort.abort()
  expect(await ended).toEqual([])
  const next = other[Symbol.asyncIterator]().next()
  streams.publish([5])
  expect(await next).toEqual({ value: 5, done: false })
  expect(await collect(streams.open(AbortSignal.abort()))).toEqual([])
})

it('forgets a stream that nobody reads any more', async () => {
  const streams = new EventStreams<number>()
  const abort = new AbortController()
  const stream = streams.open(abort.signal)
  streams.publish([1, 2, 3])
  for await (const event of stream) if (event === 2) break
  expect(await collect(stream)).toEqual([])
})

it('tells how many listen, whenever somebody comes or goes', async () => {
  const counts: number[] = []
  const streams = new EventStreams<number>((count) => counts.push(count))
  const abort = new AbortController()
  const first = collect(streams.open(abort.signal))
  streams.open()
  abort.abort()
  await first
  expect(counts).toEqual([1, 2, 1])
  streams.end()
  expect(counts).toEqual([1, 2, 1, 0])
})
