import { expect, it, vi } from 'vitest'
import type { NamesResource } from '../../kept-resource.ts'
import { Keeper } from './keeper.ts'
import type { LinkEvents } from './link.ts'

type Answer = (error?: string) => void

/** What was asked, in order, for a test to answer it. */
const asked: Answer[] = []
const questions: unknown[] = []
/** How long somebody has waited for an answer. */
const waits: number[] = []

vi.mock('./link.ts', () => ({
  KeeperLink: class {
    readonly isUp = true
    readonly owes = false

    constructor(_: unknown, events: LinkEvents) {
      events.onGreeting([])
    }

    drain(): void {}

    ask(question: unknown, _: unknown, onAnswer: Answer): object {
      asked.push(onAnswer)
      questions.push(question)
      return { isAnswered: false, error: undefined }
    }

    answered(_: unknown, timeoutMs: number): boolean {
      waits.push(timeoutMs)
      return false
    }
  },
}))

function setUp(): Keeper {
  for (const list of [asked, questions, waits]) list.splice(0)
  return new Keeper({ program: '', folder: '' })
}

function names(address: string): { readonly resource: NamesResource; readonly sockets: 0 } {
  const resource = { kind: 'names', endpoint: 'a', addresses: [address] }
  return { resource: resource as unknown as NamesResource, sockets: 0 }
}

it('knows that what was refused is as it was, but for what was told since', () => {
  const keeper = setUp()
  const key = 'names:a'
  for (const address of ['10.7.0.1', '10.7.0.2', '10.7.0.3']) keeper.change([], [names(address)])
  expect(keeper.mirror.get(key)).toMatchObject({ addresses: ['10.7.0.3'] })
  const [first, second, third] = asked
  first!()
  second!('no room')
  expect(keeper.mirror.get(key)).toMatchObject({ addresses: ['10.7.0.3'] })
  third!('no room')
  expect(keeper.mirror.get(key)).toMatchObject({ addresses: ['10.7.0.1'] })
  expect(keeper.takeProblems()).toHaveLength(2)
})

it('waits a long time once, until there is an answer', () => {
  const keeper = setUp()
  const wait = (ms: number) => {
    keeper.done(keeper.change([], [names('10.7.0.1')]), ms)
  }
  for (const ms of [50, 1000, 1000, 50]) wait(ms)
  asked[0]!()
  wait(1000)
  expect(waits).toEqual([50, 1000, 100, 50, 1000])
})

it('tells what is to be dropped later before anything else, and counts it as gone at once', () => {
  const keeper = setUp()
  keeper.change([], [names('10.7.0.1')])
  keeper.dropLater(['names:a'])
  expect(keeper.mirror.get('names:a')).toBe(undefined)
  expect(keeper.owes).toBe(true)
  expect(questions).toHaveLength(1)
  keeper.change([], [names('10.7.0.2')])
  expect(questions.slice(1)).toMatchObject([
    { remove: ['names:a'], add: [] },
    { remove: [], add: [{ resource: { addresses: ['10.7.0.2'] } }] },
  ])
  expect(keeper.owes).toBe(false)
  keeper.flush()
  expect(questions).toHaveLength(3)
})

it('still has what was to be dropped later when that is refused', () => {
  const keeper = setUp()
  keeper.change([], [names('10.7.0.1')])
  keeper.dropLater(['names:a'])
  keeper.flush()
  const [added, dropped] = asked
  added!()
  expect(keeper.mirror.get('names:a')).toBe(undefined)
  dropped!('no room')
  expect(keeper.mirror.get('names:a')).toMatchObject({ addresses: ['10.7.0.1'] })
})
