import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { isCnmError } from '#dist/linux/library.js'
import { DaemonProcess, isWarning } from '../support/daemon-process.ts'
import { endThread } from '../support/deadly-threads.mjs'
import { engineRig } from '../support/engine-rig.ts'
import { throwAwayHost } from '../support/host.ts'
import { keeperPid } from '../support/keeper-rig.ts'
import { eventually } from '../support/sockets.ts'

// Engines start and end in each of them, beside other work.
vi.setConfig({ testTimeout: 180_000 })

const threads = ['cnm kernel', 'cnm background'].flatMap((name) =>
  ['throw', 'exit'].map((way) => [name, way] as const),
)

const died = /^the kernel('s background)? thread has died: /

/** Nothing may wait for ever. */
async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`${what}: still waiting`)), 60_000).unref()
  })
  return Promise.race([promise, late])
}

describe.each(threads)('a controller of which the thread "%s" ends by %s', (name, way) => {
  it('while nothing is going on, closes and says so once', async () => {
    await using rig = await engineRig()
    const cnm = await rig.start()
    const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
    const box = await cnm.createSandbox({ name: 'box' })
    const endpoint = await box.connect(web, { publish: ['8080:80'] })
    endThread(name, way)
    const failure = await soon('failing', cnm.failed)
    expect(failure).toMatchObject({ code: 'CLOSED', message: expect.stringMatching(died) })
    await soon('closing', cnm.close())
    expect(rig.problems).toEqual([failure])
    await expect(cnm.networks()).rejects.toBe(failure)
    await expect(
      soon(
        'doctor',
        Promise.resolve().then(() => cnm.doctor()),
      ),
    ).rejects.toBe(failure)
    await expect(soon('unpublish', endpoint.unpublish(['8080:80']))).rejects.toThrow(died)

    rig.problems.length = 0
    const next = await rig.start()
    expect(await next.sandbox('box').inspect()).toMatchObject({ state: 'ready' })
    expect(await next.doctor()).toEqual([])
    await next.down()
    expect(rig.problems).toEqual([])
  })

  it('in the middle of calls, refuses them all', async () => {
    await using rig = await engineRig()
    const cnm = await rig.start()
    const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
    const boxes = await Promise.all([1, 2, 3].map(() => cnm.createSandbox()))
    const endpoints = await Promise.all(
      boxes.map((box, index) => box.connect(web, { publish: [`${8080 + index}:80`] })),
    )
    const events = (await cnm.events())[Symbol.asyncIterator]()
    const calls = [
      ...endpoints.map((endpoint, index) => endpoint.unpublish([`${8080 + index}:80`])),
      // They end with the host's folder.
      ...boxes.map((box) =>
        box.exec(['sh', '-c', `while [ -d ${rig.host.folder} ]; do sleep 0.1; done`]),
      ),
      ...boxes.map((box) => box.delete()),
      ...[1, 2, 3].map((n) => cnm.createNetwork({ name: `n${n}` })),
      ...[1, 2, 3].map(() => cnm.createSandbox({ connect: [{ network: 'web' }] })),
      cnm.settled(),
      cnm.doctor({ fix: true }),
      cnm.statistics(),
    ]
    const settled = Promise.allSettled<unknown>(calls)
    endThread(name, way)
    const failure = await soon('failing', cnm.failed)
    const running = boxes.length
    const outcomes = await soon('calls', settled)
    const refusals = outcomes.filter((each) => each.status === 'rejected')
    const others = refusals.filter(
      ({ reason }) => !(isCnmError(reason, 'CLOSED') && died.test(reason.message)),
    )
    expect(others.map(({ reason }) => reason)).toEqual([])
    expect(refusals.length).toBeGreaterThanOrEqual(running)
    while ((await soon('events', events.next())).done !== true);
    await soon('closing', cnm.close())
    expect(rig.problems).toEqual([failure])

    rig.problems.length = 0
    const next = await rig.start()
    expect(await next.doctor()).toEqual([])
    await next.down()
  })
})

const preload = fileURLToPath(new URL('../support/deadly-threads.mjs', import.meta.url))

describe.each(threads)('a daemon of which the thread "%s" ends by %s', (name, way) => {
  it('says so in one line and ends with a status of its own; another takes over', async () => {
    await using host = await throwAwayHost()
    const env = { NODE_OPTIONS: `--import=${preload}`, CNM_TEST_THREAD: `${name}:${way}` }
    const daemon = await new DaemonProcess(host, [], { env, timeoutMs: 170_000 }).ready()
    await daemon.ask('POST /v1/networks', { name: 'web', subnets: ['10.7.0.0/24'] })
    await daemon.ask('POST /v1/sandboxes', { name: 'box', connect: [{ network: 'web' }] })
    const keeper = await keeperPid(host)
    daemon.kill('SIGUSR2')
    expect(await daemon.ended).toBe(6)
    expect(daemon.said).toMatch(
      /^cnm: the daemon ends: the kernel('s background)? thread has died: .*\n$/,
    )
    expect(daemon.log.filter(isWarning)).toEqual([])

    const next = await new DaemonProcess(host).ready()
    expect(await next.ask('POST /v1/doctor', {})).toEqual([])
    expect(await keeperPid(host)).toBe(keeper)
    await next.ask('POST /v1/down')
    await next.stop()
  })
})

it('a keeper of which the thread ends says so, and ends with a status of its own', async () => {
  await using host = await throwAwayHost()
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const argv = [process.execPath, `--import=${preload}`, main, 'keeper', '--run-dir', host.folder]
  const keeper = spawn('nsenter', [`--net=${host.netns}`, ...argv], {
    env: { ...process.env, CNM_TEST_THREAD: 'cnm resolver:exit' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 50_000,
    killSignal: 'SIGKILL',
  })
  const said = text(keeper.stderr)
  const ended = once(keeper, 'close')
  await eventually(async () => existsSync(`${host.folder}/keeper.sock`))
  keeper.kill('SIGUSR2')
  expect(await ended).toEqual([1, null])
  expect(await said).toMatch(
    /the keeper's resolver has failed: Error: its thread has ended with status \d/,
  )
})
