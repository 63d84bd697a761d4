import { expect, it } from 'vitest'
import { type MemoryContents, memory } from '../../store/memory/memory.ts'
import type { Write } from '../../store/store.ts'
import { RecordBook } from './record-book.ts'

const write = (id: string, value: string | null): Write => ({ kind: 'endpoint', id, value })

/** A store whose commits are let go, or refused, one by one. */
async function slowStore() {
  const contents: MemoryContents = new Map()
  const inner = memory(contents)
  await inner.load()
  const calls: { readonly go: () => void; readonly refuse: () => void }[] = []
  const commit = async (writes: readonly Write[]) => {
    await new Promise<void>((go, reject) => {
      calls.push({ go, refuse: () => reject(new Error('full')) })
    })
    await inner.commit(writes)
  }
  const there = () =>
    Object.fromEntries(
      [...contents.values()].map((text) => {
        const { id, value } = JSON.parse(text) as { readonly id: string; readonly value: string }
        return [id, value]
      }),
    )
  return {
    book: new RecordBook({ ...inner, commit, close: () => inner.close() } as never),
    calls,
    there,
  }
}

it('what was refused is recorded with the next commit', async () => {
  const { book, calls, there } = await slowStore()
  const settled = book.settle([write('a', 'as it is')])
  calls[0]!.refuse()
  await expect(settled).rejects.toThrow('full')
  const other = book.commit([write('b', 'new')])
  calls[1]!.go()
  await other
  expect(there()).toEqual({ a: 'as it is', b: 'new' })
  const last = book.commit([write('a', 'later')])
  calls[2]!.go()
  await last
  expect(there()).toEqual({ a: 'later', b: 'new' })
})

it('stays to be recorded until something is', async () => {
  const { book, calls, there } = await slowStore()
  const settled = book.settle([write('a', 'as it is')])
  calls[0]!.refuse()
  await expect(settled).rejects.toThrow('full')
  const refused = book.commit([write('b', 'no')])
  calls[1]!.refuse()
  await expect.poll(() => calls.length).toBe(3)
  calls[2]!.refuse()
  await expect(refused).rejects.toThrow('full')
  const other = book.commit([write('c', 'yes')])
  calls[3]!.go()
  await other
  expect(there()).toEqual({ a: 'as it is', c: 'yes' })
})

it('never takes the place of what is newer', async () => {
  const { book, calls, there } = await slowStore()
  const old = book.settle([write('a', 'old')])
  const newer = book.commit([write('a', 'newer')])
  calls[0]!.refuse()
  await expect(old).rejects.toThrow('full')
  calls[1]!.go()
  await newer
  const other = book.commit([write('b', 'other')])
  calls[2]!.go()
  await other
  expect(there()).toEqual({ a: 'newer', b: 'other' })
})

it('nor goes along while something newer is being written', async () => {
  const { book, calls, there } = await slowStore()
  const old = book.settle([write('a', 'old')])
  calls[0]!.refuse()
  await expect(old).rejects.toThrow('full')
  const newer = book.commit([write('a', null)])
  const other = book.commit([write('b', 'other')])
  calls[1]!.go()
  await newer
  calls[2]!.go()
  await other
  expect(there()).toEqual({ b: 'other' })
})

it('what can’t be recorded keeps nothing else from it', async () => {
  const { book, calls, there } = await slowStore()
  const settled = book.settle([write('a', 'as it is')])
  calls[0]!.refuse()
  await expect(settled).rejects.toThrow('full')
  const other = book.commit([write('b', 'new')])
  calls[1]!.refuse()
  await expect.poll(() => calls.length).toBe(3)
  calls[2]!.go()
  await other
  expect(there()).toEqual({ b: 'new' })
  const closed = book.close()
  await expect.poll(() => calls.length).toBe(4)
  calls[3]!.go()
  await closed
  expect(there()).toEqual({ a: 'as it is', b: 'new' })
})

it('is not forgotten where something newer is refused as well', async () => {
  const { book, calls, there } = await slowStore()
  const settled = book.settle([write('a', 'must')])
  const intent = book.commit([write('a', 'intent')])
  calls[0]!.refuse()
  calls[1]!.refuse()
  await expect(settled).rejects.toThrow('full')
  await expect(intent).rejects.toThrow('full')
  const other = book.commit([write('b', 'other')])
  calls[2]!.go()
  await other
  expect(there()).toEqual({ a: 'must', b: 'other' })
})
