import { setFlagsFromString } from 'node:v8'

/**
 * V8 optimizes nothing until the function that this answers with is called, or so much time is over: what
 * runs once gains nothing by it, and the compilers take a fifth of the time on the processors that starting
 * takes. Idempotent.
 */
export function postponeOptimizing(mostMs: number): () => void {
  setFlagsFromString('--no-opt')
  const resume = () => {
    clearTimeout(timer)
    setFlagsFromString('--opt')
  }
  const timer = setTimeout(resume, mostMs)
  timer.unref()
  return resume
}
