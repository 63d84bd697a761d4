import { expect, it } from 'vitest'
import { KeyedQueue } from './keyed-queue.ts'

/** Work that ends when it is told to, and writes down when it begins and ends. */
function rig() {
  const log: string[] = []
  const ends = new Map<string, () => void>()
  const work = (name: string) => async () => {
    log.push(`${name} begins`)
    await new Promise<void>((resolve) => ends.set(name, resolve))
    log.push(`${name} ends`)
  }
  return { log, work, end: (name: string) => ends.get(name)?.() }
}

const turns = async () => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
}

it('serialises work on one key and lets other keys go side by side', async () => {
  const queue = new KeyedQueue()
  const { log, work, end } = rig()
  const all = [
    queue.run(['a'], work('first')),
    queue.run(['a', 'b'], work('second')),
    queue.run(['b'], work('third')),
    queue.run(['c'], work('other')),
  ]
  await turns()
  expect(log).toEqual(['first begins', 'other begins'])
  end('first')
  await turns()
  expect(log.slice(2)).toEqual(['first ends', 'second begins'])
  end('second')
  await turns()
  expect(log.slice(4)).toEqual(['second ends', 'third begins'])
  end('third')
  end('other')
  await Promise.all(all)
})

it('goes on after a failure', async () => {
  const queue = new KeyedQueue()
  const failed = queue.run(['a'], async () => {
    throw new Error('no')
  })
  const next = queue.run(['a'], async () => 'yes')
  await expect(failed).rejects.toThrow('no')
  expect(await next).toBe('yes')
})

it('lets go of work that is cancelled while it waits, and only of that', async () => {
  const queue = new KeyedQueue()
  const { log, work, end } = rig()
  const abort = new AbortController()
  const first = queue.run(['a'], work('first'))
  const second = queue.run(['a'], work('second'), abort.signal)
  const third = queue.run(['a'], work('third'))
  abort.abort()
  await expect(second).rejects.toMatchObject({ code: 'CANCELLED' })
  await turns()
  expect(log).toEqual(['first begins'])
  end('first')
  await turns()
  expect(log.slice(1)).toEqual(['first ends', 'third begins'])
  end('third')
  await Promise.all([first, third])
})

it('lets nothing pass what cancelled work waited for', async () => {
  const queue = new KeyedQueue()
  const { log, work, end } = rig()
  const abort = new AbortController()
  const first = queue.run(['a'], work('first'))
  const second = queue.run(['a'], work('second'), abort.signal)
  abort.abort()
  await expect(second).rejects.toMatchObject({ code: 'CANCELLED' })
  await turns()
  const third = queue.run(['a'], work('third'))
  await turns()
  expect(log).toEqual(['first begins'])
  end('first')
  await turns()
  expect(log.slice(1)).toEqual(['first ends', 'third begins'])
  end('third')
  await Promise.all([first, third])
})

it('runs work alone: after all that came before, before all that comes later', async () => {
  const queue = new KeyedQueue()
  const { log, work, end } = rig()
  const all = [queue.run(['a'], work('before')), queue.runAlone(work('alone'))]
  all.push(queue.run(['b'], work('after')))
  await turns()
  expect(log).toEqual(['before begins'])
  end('before')
  await turns()
  expect(log.slice(1)).toEqual(['before ends', 'alone begins'])
  end('alone')
  await turns()
  expect(log.slice(3)).toEqual(['alone ends', 'after begins'])
  end('after')
  await Promise.all(all)
})
