import { expect, it, vi } from 'vitest'
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
  // A reader gets what is there before the end.
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

it('forgets a stream that is not read any more', async () => {
  const streams = new EventStreams<number>()
  const abort = new AbortController()
  const stream = streams.open(abort.signal)
  streams.publish([1, 2, 3])
  for await (const event of stream) if (event === 2) break
  expect(await collect(stream)).toEqual([])
})

it('forgets a stream that was never read, when its reader goes', async () => {
  const counts: number[] = []
  const streams = new EventStreams<number>((count) => counts.push(count))
  const abort = new AbortController()
  const removed = vi.spyOn(abort.signal, 'removeEventListener')
  const iterator = streams.open(abort.signal)[Symbol.asyncIterator]()
  await iterator.return?.()
  expect(counts).toEqual([1, 0])
  expect(removed).toHaveBeenCalledOnce()
  streams.publish([1])
  expect(await iterator.next()).toEqual({ value: undefined, done: true })
})

it('keeps no more than so many for one who does not read, and says what is lost', async () => {
  const afterLoss = (dropped: readonly number[], next: number) => [-dropped.length, next]
  const streams = new EventStreams<number>(undefined, { most: 4, afterLoss })
  const seen = streams.open()[Symbol.asyncIterator]()
  const read = async (count: number) => {
    const values: unknown[] = []
    while (values.length < count) values.push((await seen.next()).value)
    return values
  }
  streams.publish([1, 2, 3, 4])
  expect(await read(4)).toEqual([1, 2, 3, 4])
  for (const event of [5, 6, 7, 8]) streams.publish([event])
  streams.publish([9, 10])
  expect(await read(3)).toEqual([-4, 9, 10])
})

it('tells how many listen, whenever a listener comes or goes', async () => {
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
