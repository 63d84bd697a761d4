import { expect } from 'vitest'
import type { KernelEvent } from '../../kernel/kernel.ts'
import { adoptedIn } from './observe-cases.ts'
import { address, bridge, fullSample, namespace, table } from './sample.ts'
import { add, type Case, failureOf, type KernelWorld, remove, settledState } from './world.ts'

/** gone. */
export function goneCases(test: Case): void {
  test('tells when an adopted namespace is gone, and not before', async (world) => {
    const { path, inside } = await adoptedIn(world)
    const watch = watched(world.kernel.gone(inside, new AbortController().signal))
    // Another question in between shows that time has passed.
    await world.kernel.view()
    expect(watch.hasEnded()).toBe(false)
    await world.others.removeNamespace(path)
    await watch.end
    await world.kernel.gone(inside, new AbortController().signal)
  })

  test('tells when a namespace of our own is gone', async (world) => {
    await add(world, namespace(world))
    const { namespace: inside } = namespace(world)
    const watch = watched(world.kernel.gone(inside, new AbortController().signal))
    await world.kernel.view()
    expect(watch.hasEnded()).toBe(false)
    await remove(world, namespace(world))
    await watch.end
  })

  test('ends the watch on abort', async (world) => {
    const { inside } = await adoptedIn(world)
    const abort = new AbortController()
    const watch = world.kernel.gone(inside, abort.signal)
    abort.abort()
    await watch
    await world.kernel.gone(inside, AbortSignal.abort())
  })

  test('fails the watch when the kernel closes: nothing is gone', async (world) => {
    const { inside } = await adoptedIn(world)
    const failure = failureOf(world.kernel.gone(inside, new AbortController().signal))
    await world.kernel.view()
    await world.kernel.close()
    expect((await failure).code).toBe('CLOSED')
  })
}

function watched(promise: Promise<void>) {
  let ended = false
  const end = promise.then(() => {
    ended = true
  })
  return { end, hasEnded: () => ended }
}

/** By then everything listens that ever will. */
const listeningMs = 30_000

/** events. */
export function eventCases(test: Case): void {
  test('reports links and addresses of others', async (world) => {
    const heard = await listen(world)
    await world.others.addBridge('theirs')
    await world.others.addAddress('theirs', address('', '10.70.0.5/24').address)
    await heard.wait({ type: 'link', change: 'set', name: 'theirs' })
    await heard.wait({
      type: 'address',
      change: 'set',
      link: 'theirs',
      address: address('', '10.70.0.5/24').address,
    })
    await world.others.removeLink('theirs')
    await heard.wait({ type: 'link', change: 'gone', name: 'theirs' })
    await heard.stop()
  })

  test('reports what is ours only when it goes', async (world) => {
    const heard = await listen(world)
    await add(world, bridge(), address('br-one', '10.77.0.1/24'))
    await world.others.removeLink('br-one')
    await heard.wait({ type: 'link', change: 'gone', name: 'br-one' })
    await heard.stop()
    const ours = heard.all().filter((event) => 'name' in event && event.name === 'br-one')
    expect(ours).toEqual([{ type: 'link', change: 'gone', name: 'br-one' }])
    expect(heard.all()).not.toContainEqual(
      expect.objectContaining({ link: 'br-one', change: 'set' }),
    )
  })

  test('ends on abort, also before it began', async (world) => {
    const heard = await listen(world)
    await heard.stop()
    for await (const event of world.kernel.events(AbortSignal.abort())) {
      expect.fail(`an event after the abort: ${JSON.stringify(event)}`)
    }
  })

  test('ends when the kernel closes', async (world) => {
    const heard = await listen(world)
    await world.kernel.close()
    await heard.ended
  })

  test('is told to everyone who listens', async (world) => {
    const [one, two] = [await listen(world), await listen(world)]
    await world.others.addBridge('theirs')
    await one.wait({ type: 'link', change: 'set', name: 'theirs' })
    await two.wait({ type: 'link', change: 'set', name: 'theirs' })
    await one.stop()
    await world.others.removeLink('theirs')
    await two.wait({ type: 'link', change: 'gone', name: 'theirs' })
    await two.stop()
  })
}

/** Listens, and makes sure of it: the first events after asking may be missed. */
export async function listen(world: KernelWorld) {
  const events: KernelEvent[] = []
  const waiting = new Set<() => void>()
  const abort = new AbortController()
  const ended = (async () => {
    for await (const event of world.kernel.events(abort.signal)) {
      events.push(event)
      for (const look of waiting) look()
    }
  })()
  const wait = (wanted: Partial<KernelEvent>) =>
    new Promise<void>((resolve, reject) => {
      const over = () => reject(new Error(`the stream ended before ${JSON.stringify(wanted)}`))
      ended.then(over, over)
      const look = () => {
        if (!events.some((event) => matches(event, wanted))) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  const isHeard = () => events.some((event) => event.type === 'link')
  const deadline = performance.now() + listeningMs
  while (!isHeard() && performance.now() < deadline) {
    await world.others.addBridge('probe')
    await world.others.removeLink('probe')
  }
  await wait({ type: 'link', change: 'gone', name: 'probe' })
  const stop = async () => {
    abort.abort()
    await ended
  }
  return {
    wait,
    stop,
    ended,
    all: () => events.filter((event) => !/"probe"/.test(JSON.stringify(event))),
  }
}

function matches(event: KernelEvent, wanted: Partial<KernelEvent>): boolean {
  const fields = Object.entries(event)
  return Object.entries(wanted).every(([key, value]) =>
    fields.some(([name, is]) => name === key && is === value),
  )
}

/** close. */
export function closeCases(test: Case): void {
  test('leaves everything where it is, and can be done twice', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    await world.kernel.close()
    await world.kernel.close()
    expect(await world.state()).toEqual(state)
  })

  test('refuses everything afterwards', async (world) => {
    const { kernel, namespaceDir } = world
    await kernel.close()
    const late = [
      kernel.apply({ remove: [], add: [table] }),
      kernel.compare([table]),
      kernel.survey({ namespaceDir, tables: [] }),
      kernel.view(),
      kernel.adopt({ pid: 1 }),
    ]
    for (const work of late) expect((await failureOf(work)).code).toBe('CLOSED')
  })

  test('waits for what is under way, or says that it is closed', async (world) => {
    const work = add(world, ...fullSample(world)).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )
    await world.kernel.close()
    expect(['done', 'CLOSED']).toContain(await work)
  })
}
