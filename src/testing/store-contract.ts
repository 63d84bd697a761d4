import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ErrorCode } from '../base/errors.ts'
import {
  type Json,
  type Kind,
  recordKey,
  type Store,
  type StoredRecord,
  type Write,
} from '../store/store.ts'

/** One place in which a store keeps its records. */
export interface StorePlace {
  /** A store over what is there. The one before has been closed. */
  open(): Store
  /** Removes everything. All stores have been closed. */
  dispose(): Promise<void>
}

/** What every store must do, as tests for vitest. Each case gets an empty place. */
export function storeContract(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(`${name} keeps the store contract`, () => {
    const bench = new Bench()
    beforeEach(async () => {
      await bench.start(await createPlace())
      expect(await bench.store.load()).toEqual({ records: [], setAside: [] })
    })
    afterEach(() => bench.end())

    describe('values', () => valueCases(bench))
    describe('deleting', () => deleteCases(bench))
    describe('many commits', () => modelCase(bench))
    for (const kind of ['network', 'endpoint'] as const) {
      describe(`versions of a ${kind}`, () => versionCases(bench, kind))
    }
    describe('ids', () => idCases(bench))
    describe('opening and closing', () => lifeCases(bench))
    describe('commits side by side', () => turnCases(bench))
  })
}

/** The store under test, and what one does with it again and again. */
class Bench {
  #place: StorePlace | undefined
  #store: Store | undefined

  get store(): Store {
    if (this.#store === undefined) throw new Error('there is no store yet')
    return this.#store
  }

  async start(place: StorePlace): Promise<void> {
    this.#place = place
    this.#store = place.open()
  }

  async end(): Promise<void> {
    await this.#store?.close()
    await this.#place?.dispose()
  }

  /** Another store in the same place. */
  async restart(): Promise<void> {
    await this.#store?.close()
    this.#store = this.#place?.open()
  }

  /** What a new start finds. */
  async reopened(): Promise<readonly StoredRecord[]> {
    await this.restart()
    const { records, setAside } = await this.store.load()
    expect(setAside).toEqual([])
    return sorted(records)
  }

  async refuses(writes: readonly Write[], code: ErrorCode): Promise<void> {
    await expect(this.store.commit(writes)).rejects.toMatchObject({ name: 'CnmError', code })
  }
}

function valueCases(bench: Bench): void {
  it.each<[string, Json]>([
    ['objects', { name: 'web', ipv4: { subnet: '10.7.0.0/24' }, aliases: ['a', 'b'] }],
    ['an absent key', { name: 'web', gone: undefined }],
    ['null inside', { a: null, b: [null] }],
    ['scalars', [0, -1.5, 1e300, true, false, '', 'x']],
    ['text of all sorts', 'ä\u0000\n"\\\u2028😀\ud800'],
    ['a key that means something else to JavaScript', JSON.parse('{"__proto__":{"a":1}}')],
    ['a large value', 'x'.repeat(1_000_000)],
  ])('come back: %s', async (_, value) => {
    await bench.store.commit([write('network', 'n', value), write('endpoint', 'e', value)])
    const found = JSON.parse(JSON.stringify(value))
    expect(await bench.reopened()).toEqual([
      { kind: 'endpoint', id: 'e', version: 1, value: found },
      { kind: 'network', id: 'n', version: 1, value: found },
    ])
  })

  it('of one id and several kinds are kept apart', async () => {
    const kinds: Kind[] = ['applied', 'endpoint', 'network', 'sandbox']
    await bench.store.commit(kinds.map((kind) => write(kind, 'x', kind)))
    const records = kinds.map((kind) => ({ kind, id: 'x', version: 1, value: kind }))
    expect(await bench.reopened()).toEqual(records)
  })

  it('are copies', async () => {
    const value = { names: ['a'] }
    await bench.store.commit([write('sandbox', 's', value), write('network', 'n', value)])
    value.names.push('b')
    const found = (await bench.reopened()).map((record) => record.value)
    expect(found).toEqual([{ names: ['a'] }, { names: ['a'] }])
  })
}

function deleteCases(bench: Bench): void {
  it('of durable records it tells which are not there', async () => {
    const write = (id: string, value: Json): Write => ({ kind: 'network', id, value })
    await bench.store.commit([write('kept', 1), write('deleted', 1)])
    await bench.store.commit([write('deleted', null)])
    const asked = ['deleted', 'kept', 'never']
    expect(await bench.store.lacks('network', asked)).toEqual(['deleted', 'never'])
  })

  it('removes what is there, and what is absent', async () => {
    const deletes = [write('network', 'n', null), write('endpoint', 'e', null)]
    await bench.store.commit([write('network', 'n', 1), write('endpoint', 'e', 1)])
    await bench.store.commit(deletes)
    await bench.store.commit(deletes)
    expect(await bench.reopened()).toEqual([])
    await bench.store.commit(deletes)
    expect(await bench.reopened()).toEqual([])
  })
}

function modelCase(bench: Bench): void {
  it('leave what they would leave in a plain map', async () => {
    const property = fc.asyncProperty(fc.array(commitOf(), { maxLength: 12 }), async (commits) => {
      const before = await bench.reopened()
      await bench.store.commit(before.map(({ kind, id }) => write(kind, id, null)))
      const model = new Map<string, StoredRecord>()
      for (const writes of commits) {
        await bench.store.commit(writes)
        for (const { kind, id, value } of writes) {
          const key = recordKey(kind, id)
          const version = (model.get(key)?.version ?? 0) + 1
          if (value === null) model.delete(key)
          else model.set(key, { kind, id, version, value })
        }
      }
      expect(await bench.reopened()).toEqual(sorted([...model.values()]))
    })
    await fc.assert(property, { numRuns: 20 })
  })
}

function versionCases(bench: Bench, kind: Kind): void {
  it('count its writes from 1, again after it was deleted', async () => {
    await bench.store.commit([write(kind, 'x', 'a')])
    await bench.store.commit([write(kind, 'x', 'b')])
    expect(await bench.reopened()).toMatchObject([{ version: 2, value: 'b' }])
    await bench.store.commit([write(kind, 'x', 'c')])
    expect(await bench.reopened()).toMatchObject([{ version: 3, value: 'c' }])
    await bench.store.commit([write(kind, 'x', null)])
    await bench.store.commit([write(kind, 'x', 'd')])
    expect(await bench.reopened()).toMatchObject([{ version: 1, value: 'd' }])
  })

  it('must be as expected', async () => {
    await bench.store.commit([write(kind, 'x', 'a', 0)])
    await bench.store.commit([write(kind, 'x', 'b', 1)])
    await bench.refuses([write(kind, 'x', 'c', 1)], 'STORE_CONFLICT')
    await bench.refuses([write(kind, 'x', 'c', 0)], 'STORE_CONFLICT')
    await bench.refuses([write(kind, 'x', null, 3)], 'STORE_CONFLICT')
    await bench.refuses([write(kind, 'y', 'c', 1)], 'STORE_CONFLICT')
    expect(await bench.reopened()).toMatchObject([{ version: 2, value: 'b' }])
    await bench.refuses([write(kind, 'x', 'c', 1)], 'STORE_CONFLICT')
    await bench.store.commit([write(kind, 'x', null, 2)])
    await bench.store.commit([write(kind, 'x', null, 0)])
    expect(await bench.reopened()).toEqual([])
  })

  it('let nothing of a commit through if one is wrong', async () => {
    const before = [write('network', 'n', 1), write('endpoint', 'e', 1)]
    await bench.refuses([...before, write(kind, 'x', 1, 5)], 'STORE_CONFLICT')
    await bench.refuses([write(kind, 'x', 1, 5), ...before], 'STORE_CONFLICT')
    expect(await bench.reopened()).toEqual([])
  })
}

function idCases(bench: Bench): void {
  const good = write('network', 'n', 1)

  it.each(['', '../x', 'a/b', '/etc/passwd', 'a b', 'a\0', 'ä', 'a\n', 'x'.repeat(201)])(
    '%j is none',
    async (id) => {
      for (const kind of ['network', 'endpoint'] as const) {
        await bench.refuses([good, write(kind, id, 1)], 'INVALID_ARGUMENT')
        await bench.refuses([good, write(kind, id, null)], 'INVALID_ARGUMENT')
      }
      expect(await bench.reopened()).toEqual([])
    },
  )

  it.each(['.', '..', '.json', 'a.json', 'A_b.c:d-e', 'f'.repeat(64), 'x'.repeat(200)])(
    '%j is one',
    async (id) => {
      await bench.store.commit([write('network', id, 1), write('endpoint', id, 1)])
      expect(await bench.reopened()).toMatchObject([{ id }, { id }])
    },
  )

  it('are in a commit once', async () => {
    const twice = [write('endpoint', 'e', 1), write('endpoint', 'e', null)]
    await bench.refuses([good, ...twice], 'INVALID_ARGUMENT')
    expect(await bench.reopened()).toEqual([])
  })
}

function lifeCases(bench: Bench): void {
  it('a commit of nothing changes nothing', async () => {
    await bench.store.commit([])
    expect(await bench.reopened()).toEqual([])
  })

  it('there is no commit before load and after close', async () => {
    await bench.store.close()
    await bench.refuses([write('network', 'n', 1)], 'CLOSED')
    await bench.store.close()
    await bench.restart()
    await bench.refuses([write('endpoint', 'e', 1)], 'CLOSED')
    expect(await bench.reopened()).toEqual([])
  })

  it('what was begun is finished before it closes', async () => {
    const commits = Array.from({ length: 10 }, (_, n) =>
      bench.store.commit([write('network', `n${n}`, n), write('endpoint', `e${n}`, n)]),
    )
    expect(await bench.reopened()).toHaveLength(20)
    await Promise.all(commits)
  })
}

function turnCases(bench: Bench): void {
  it.each<Kind>(['network', 'endpoint'])('one of many makes a %s', async (kind) => {
    const race = Array.from({ length: 20 }, (_, n) => bench.store.commit([write(kind, 'x', n, 0)]))
    const ends = (await Promise.allSettled(race)).map((end) => end.status)
    expect(ends).toEqual(['fulfilled', ...Array(19).fill('rejected')])
    expect(await bench.reopened()).toMatchObject([{ version: 1, value: 0 }])
  })

  it('on one record take effect in the order of the calls', async () => {
    const commits = Array.from({ length: 30 }, (_, n) => {
      // Every third has to wait for a disk first.
      const durable = n % 3 === 0 ? [write('network', 'n', n)] : []
      return bench.store.commit([...durable, write('endpoint', 'x', n)])
    })
    await Promise.all(commits)
    expect(await bench.reopened()).toMatchObject([
      { kind: 'endpoint', version: 30, value: 29 },
      { kind: 'network', version: 10, value: 27 },
    ])
  })
}

function write(kind: Kind, id: string, value: Json, expected?: number): Write {
  return { kind, id, value, ...(expected === undefined ? {} : { expect: expected }) }
}

function sorted(records: readonly StoredRecord[]): readonly StoredRecord[] {
  const key = (record: StoredRecord) => recordKey(record.kind, record.id)
  return [...records].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Few kinds and ids, so that they meet. */
function commitOf(): fc.Arbitrary<Write[]> {
  const write = fc.record({
    kind: fc.constantFrom<Kind>('network', 'endpoint', 'sandbox'),
    id: fc.constantFrom('a', 'b', 'c'),
    value: fc.oneof(fc.constant(null), fc.string(), fc.jsonValue().map(asJson)),
  })
  return fc.uniqueArray(write, { maxLength: 5, selector: ({ kind, id }) => `${kind}/${id}` })
}

/** As JSON gives it back: it has no -0. */
function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value))
}
