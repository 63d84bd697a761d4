import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, expect } from 'vitest'
import { KeyedQueue } from '../../src/base/keyed-queue.ts'
import { Engine } from '../../src/model/engine.ts'

interface Hold {
  readonly queue: KeyedQueue
  readonly keys: string
  ended: boolean
}

const holds = new AsyncLocalStorage<readonly Hold[]>()
const nested: string[] = []

/**
 * From now on, work that holds keys of a queue and asks the same queue for more is refused, and fails the
 * test: it may wait for ever. What it only sets going (`Engine.follow`) is not its own.
 */
export function refuseNesting(): void {
  const { run, runAlone } = KeyedQueue.prototype
  const { follow } = Engine.prototype
  KeyedQueue.prototype.run = function (keys, work, signal) {
    return run.call(this, keys, holding(this, keys.join(', '), work), signal) as never
  }
  KeyedQueue.prototype.runAlone = function (work) {
    return runAlone.call(this, holding(this, 'everything', work)) as never
  }
  Engine.prototype.follow = function (work) {
    holds.exit(() => follow.call(this, work))
  }
  afterEach(() => expect(nested.splice(0)).toEqual([]))
}

/** Runs it as another caller, whatever is held around. */
export function asAnother<T>(work: () => T): T {
  return holds.exit(work)
}

function holding<T>(queue: KeyedQueue, keys: string, work: () => Promise<T>): () => Promise<T> {
  const outer = holds.getStore() ?? []
  const around = outer.find((hold) => hold.queue === queue && !hold.ended)
  if (around !== undefined) {
    nested.push(`${keys} inside of ${around.keys}`)
    throw new Error(`who holds ${around.keys} waits for ${keys}`)
  }
  const hold: Hold = { queue, keys, ended: false }
  return async () => {
    try {
      return await holds.run([...outer, hold], work)
    } finally {
      hold.ended = true
    }
  }
}
