import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { NamesResource } from '../../kept-resource.ts'
import type { KernelEvent } from '../../kernel.ts'
import type { KeeperNews } from './keeper.ts'
import { LateNames } from './late-names.ts'

const names = (endpoint: string) => ({ kind: 'names', endpoint }) as unknown as NamesResource
const quiet: KeeperNews = { known: [], problems: [], isUp: true, owes: false }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function setUp() {
  const told: string[] = []
  let news = quiet
  let asked = 0
  const late = new LateNames({
    news: async () => {
      asked += 1
      return news
    },
    onEvents: (events: readonly KernelEvent[]) => {
      for (const event of events) {
        if (event.type === 'names') told.push(`${event.endpoint} ${event.change}`)
        if (event.type === 'problem') told.push(event.message)
      }
    },
    onLoss: () => told.push('lost'),
  })
  return {
    late,
    told,
    asked: () => asked,
    say: (next: Partial<KeeperNews>) => {
      news = { ...quiet, ...next }
    },
  }
}

it('asks as long as an answer is owed', async () => {
  const { late, told, asked, say } = setUp()
  say({ owes: true })
  late.awaitAnswers()
  await vi.advanceTimersByTimeAsync(1000)
  expect(asked()).toBe(10)
  say({ isUp: false })
  await vi.advanceTimersByTimeAsync(1000)
  expect(asked()).toBe(11)
  expect(told).toEqual(['lost'])
})

describe('late names', () => {
  it('are told, and again when they are known; nobody is asked before and after', async () => {
    const { late, told, asked, say } = setUp()
    late.follow({ remove: [], add: [names('a')] }, [])
    await vi.advanceTimersByTimeAsync(1000)
    expect(asked()).toBe(0)
    late.follow({ remove: [], add: [names('a'), names('b')] }, ['a', 'b'])
    late.follow({ remove: [], add: [names('a')] }, ['a'])
    await vi.advanceTimersByTimeAsync(250)
    expect(told).toEqual(['a late', 'b late', 'a late'])
    say({ known: ['a'] })
    await vi.advanceTimersByTimeAsync(100)
    say({ known: ['b'], problems: ['it went wrong'] })
    await vi.advanceTimersByTimeAsync(100)
    expect(told.slice(3)).toEqual(['a known', 'b known', 'it went wrong'])
    const before = asked()
    await vi.advanceTimersByTimeAsync(1000)
    expect(asked()).toBe(before)
  })

  it('are known when a later change says so, and forgotten when they go', async () => {
    const { late, told } = setUp()
    late.follow({ remove: [], add: [names('a'), names('b')] }, ['a', 'b'])
    late.follow({ remove: [names('b')], add: [names('a')] }, [])
    expect(told).toEqual(['a late', 'b late', 'a known'])
    late.follow({ remove: [], add: [names('b')] }, [])
    expect(told).toHaveLength(3)
  })

  it('of a keeper that is lost stay late until they are handed to the next', async () => {
    const { late, told, say, asked } = setUp()
    late.follow({ remove: [], add: [names('a')] }, ['a'])
    say({ isUp: false })
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['a late', 'lost'])
    expect(asked()).toBe(1)
    late.follow({ remove: [], add: [names('a')] }, [])
    expect(told).toEqual(['a late', 'lost', 'a known'])
  })
})
