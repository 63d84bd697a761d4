import { beforeAll, describe, expect, it } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { verbStory } from '../../test/support/verb-story.ts'
import type { Controller, KnownNetwork } from '../api/controller.ts'
import { isCnmError } from '../base/errors.ts'
import { connectController } from './client.ts'

/** What a story came to: each step's answer or error, and what was told meanwhile. */
interface Course {
  readonly steps: readonly Outcome[]
  readonly events: readonly unknown[]
}

interface Outcome {
  readonly code: string
  readonly answer: unknown
}

async function course(cnm: Controller): Promise<Course> {
  const names = new Aliases()
  const events: unknown[] = []
  const stream = await cnm.events()
  const reading = (async () => {
    for await (const event of stream) events.push(event)
  })()
  const steps: Outcome[] = []
  for (const [, , act] of verbStory) {
    try {
      steps.push({ code: 'done', answer: names.of(await seen(await act(cnm))) })
    } catch (error) {
      if (!isCnmError(error)) throw error
      steps.push({ code: error.code, answer: names.of(toldOf(error.code, error)) })
    }
  }
  await reading
  return { steps, events: events.map((event) => names.of(event)) }
}

/** Who was cancelled, or closed, calls that as it likes. */
function toldOf(code: string, error: unknown): unknown {
  return code === 'CANCELLED' || code === 'CLOSED' ? code : error
}

/** Objects as what they are known as. */
async function seen(value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map(seen))
  const thing = value as Partial<KnownNetwork> | undefined
  if (typeof thing?.inspect !== 'function') return value
  const { id, name, info } = thing
  return { id, name, info, now: await thing.inspect() }
}

/** What is random, or of the moment, by when it was first seen. */
class Aliases {
  readonly #known = new Map<string, string>()

  of(value: unknown): unknown {
    if (value === undefined) return undefined
    const text = JSON.stringify(value)
      .replace(/[0-9a-f]{64}/g, (id) => this.#alias(id.slice(0, 10)))
      .replace(/(?<![0-9a-f])([0-9a-f]{10})(?:[0-9a-f]{2})?(?![0-9a-f])/g, (_, id: string) =>
        this.#alias(id),
      )
      .replace(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, (mac) => this.#alias(mac))
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then')
    return JSON.parse(text)
  }

  #alias(what: string): string {
    const known = this.#known.get(what)
    if (known !== undefined) return known
    const alias = `<${this.#known.size}>`
    this.#known.set(what, alias)
    return alias
  }
}

describe('library and client', () => {
  let library: Course
  let client: Course

  beforeAll(async () => {
    library = await course(await new MemoryRig().start())
    await using daemon = await DaemonRig.start()
    client = await course(await connectController({ socket: daemon.socket }))
  })

  it.each(
    verbStory.map(([what, comes, , otherWords], at) => [what, comes, at, otherWords] as const),
  )('%s: %s', (_, comes, at, otherWords) => {
    const [known, met] = [library.steps[at], client.steps[at]]
    expect([known?.code, met?.code]).toEqual([comes, comes])
    if (otherWords === undefined) expect(met).toEqual(known)
    else expect(met).not.toEqual(known)
  })

  it('tell of the same events, counted alike', () => {
    expect(library.events.length).toBeGreaterThan(10)
    expect(client.events).toEqual(library.events)
  })
})
