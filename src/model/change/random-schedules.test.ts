import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RandomSchedule } from '../../../test/support/random-schedule.ts'

// What goes on at the same time meets in every order, sooner or later. CNM_SCHEDULES says how many are tried,
// CNM_SCHEDULE_SEED from which on; one alone is tried by both.

const count = Number(process.env.CNM_SCHEDULES ?? 100)
const first = Number(process.env.CNM_SCHEDULE_SEED ?? 1)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
})

it.each([
  ['nothing fails', 0],
  ['calls fail', 12],
])(
  'whatever goes on at the same time, all is well afterwards (%s)',
  { timeout: 0 },
  async (_, failsOnceIn) => {
    const wrong: string[] = []
    for (let seed = first; seed < first + count && wrong.length < 5; seed += 1) {
      const schedule = new RandomSchedule({
        seed,
        failsOnceIn,
        clock: (ms) => vi.advanceTimersByTime(ms),
      })
      try {
        await schedule.run()
      } catch (error) {
        const story = count === 1 ? `\n${schedule.story.join('\n')}\n${(error as Error).stack}` : ''
        wrong.push(`CNM_SCHEDULE_SEED=${seed}: ${(error as Error).message}${story}`)
      }
    }
    expect(wrong.join('\n\n')).toBe('')
  },
)
