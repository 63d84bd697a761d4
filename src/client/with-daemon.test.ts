import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { type Daemon, startDaemon } from '../daemon/daemon.ts'
import { memoryKernel } from '../kernel/memory/index.ts'
import type { LocalController } from '../model/controller.ts'
import { connectController } from './client.ts'
import type { RemoteController } from './remote-controller.ts'

/** Lets a test hold up the machine. */
let held: Promise<void> | undefined
let onApply = () => {}
let rig: DaemonRig
let cnm: RemoteController

beforeEach(async () => {
  held = undefined
  onApply = () => {}
  const kernel = memoryKernel()
  const slow = new MemoryRig({
    ...kernel,
    apply: async (change) => {
      onApply()
      await held
      return kernel.apply(change)
    },
  })
  rig = await DaemonRig.start({}, slow)
  cnm = await connectController({ socket: rig.socket })
})

afterEach(async () => {
  await cnm.close()
  await rig[Symbol.asyncDispose]()
})

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** Another daemon at the same socket. */
function daemonOf(controller: LocalController): Promise<Daemon> {
  const about = { version: '1.2.3', stateDir: '/state', runDir: '/run' }
  const listeners = [{ path: rig.socket }]
  return startDaemon({ controller, listeners, log: silent, about })
}

it('a call that is cancelled is undone', async () => {
  const abort = new AbortController()
  let release = () => {}
  const begun = new Promise<void>((resolve) => {
    onApply = resolve
  })
  held = new Promise((resolve) => {
    release = resolve
  })
  const create = vi.spyOn(rig.controller, 'createNetwork')
  const call = cnm.createNetwork({ name: 'web', signal: abort.signal })
  await begun
  abort.abort()
  await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
  const [{ signal }] = create.mock.calls[0] as [{ readonly signal: AbortSignal }]
  await vi.waitFor(() => expect(signal.aborted).toBe(true))
  release()
  const undone = create.mock.results[0]?.value as Promise<unknown>
  await expect(undone).rejects.toMatchObject({ code: 'CANCELLED' })
  expect((await cnm.networks()).map(({ name }) => name).sort()).toEqual(['host', 'none'])
})

it('a daemon with another state folder than the one that is meant is not used', async () => {
  const { stateDir } = await cnm.status()
  const { socket } = rig
  await using same = await connectController({ socket, start: { stateDir } })
  expect((await same.status()).stateDir).toBe(stateDir)
  await expect(connectController({ socket, start: { stateDir: '/tmp/other' } })).rejects.toThrow(
    `whose state folder is ${stateDir}, not /tmp/other`,
  )
})

it('what is too large for the daemon is refused', async () => {
  const labels = { long: 'x'.repeat(3 * 1024 * 1024) }
  for (let time = 0; time < 20; time += 1) {
    await expect(cnm.createNetwork({ name: 'web', labels })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  }
  expect((await cnm.networks()).length).toBe(2)
})

it('sixty-four at once are answered, each with its own', async () => {
  const names = Array.from({ length: 64 }, (_, at) => `n${at}`)
  const made = await Promise.all(names.map((name) => cnm.createNetwork({ name })))
  expect(made.map(({ name }) => name)).toEqual(names)
})

describe('events', () => {
  it('go on at another daemon of the same engine, none lost and none twice', async () => {
    const names: string[] = []
    await using events = await cnm.events()
    const read = (async () => {
      for await (const { name } of events) if (names.push(name) === 4) return
    })()
    await cnm.createNetwork({ name: 'a' })
    await cnm.createNetwork({ name: 'b' })
    await rig.daemon.close()
    await expect(cnm.status()).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' })
    await rig.controller.createNetwork({ name: 'c' })
    const next = await daemonOf(rig.controller)
    await cnm.createNetwork({ name: 'd' })
    await read
    expect(names).toEqual(['a', 'b', 'c', 'd'])
    await next.close()
  })

  it('begin where a program says that it stopped', async () => {
    const events = await cnm.events()
    await cnm.createNetwork({ name: 'a' })
    await cnm.createNetwork({ name: 'b' })
    const since = events.since + 1
    await events[Symbol.asyncDispose]()
    const rest = await cnm.events({ since, instance: events.instance })
    for await (const { name, sequence } of rest) {
      expect([name, sequence]).toEqual(['b', since + 1])
      break
    }
  })

  it('of another engine are lost', async () => {
    const events = await cnm.events()
    await cnm.createNetwork({ name: 'a' })
    await rig.daemon.close()
    const controller = await new MemoryRig().start()
    const next = await daemonOf(controller)
    const read = async () => {
      const names: string[] = []
      for await (const { name } of events) names.push(name)
      return names
    }
    await expect(read()).rejects.toMatchObject({ code: 'EVENTS_LOST' })
    await next.close()
    await controller.close()
  })
})
