import { setFlagsFromString } from 'node:v8'
import { expect, it } from 'vitest'
import { postponeOptimizing } from './optimizing.ts'

/** What V8 knows of itself; bit 4: there is an optimized version. */
function isOptimized(work: () => number): boolean {
  setFlagsFromString('--allow-natives-syntax')
  try {
    const status = new Function('work', 'return %GetOptimizationStatus(work)')(work) as number
    return (status & 16) !== 0
  } finally {
    setFlagsFromString('--no-allow-natives-syntax')
  }
}

/** A new one each time, run as often as is worth it. */
function hot(): () => number {
  return new Function('let sum = 0; for (let i = 0; i < 1000; i++) sum += i; return sum') as never
}

function isOptimizedOnceHot(work: () => number): boolean {
  for (let i = 0; i < 2000; i++) work()
  return isOptimized(work)
}

it('keeps V8 from optimizing until it is resumed', async () => {
  const work = hot()
  const resume = postponeOptimizing(60_000)
  try {
    expect(isOptimizedOnceHot(work)).toBe(false)
  } finally {
    resume()
  }
  await expect.poll(() => isOptimizedOnceHot(work)).toBe(true)
})

it('resumes by itself', async () => {
  const resume = postponeOptimizing(20)
  try {
    const work = hot()
    await expect.poll(() => isOptimizedOnceHot(work)).toBe(true)
  } finally {
    resume()
  }
})
