import { chmod, lstat, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { Activity } from './activity.ts'
import { Gate } from './gate.ts'
import { inheritedSockets } from './inherited-sockets.ts'
import { listen } from './listener.ts'

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cnm-l-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe('a socket', () => {
  it('is for its owner and group, and goes with the daemon', async () => {
    await using rig = await DaemonRig.start()
    const { mode } = await lstat(rig.socket)
    expect((mode & 0o7777).toString(8)).toBe('660')
    await rig.daemon.close()
    await expect(lstat(rig.socket)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('takes the place of one at which nothing answers', () =>
    inFolder(async (folder) => {
      const path = join(folder, 's')
      const dead = createSocketServer()
      await new Promise<void>((resolve) => dead.listen(join(folder, 'd'), resolve))
      await rename(join(folder, 'd'), path)
      await new Promise((resolve) => dead.close(resolve))
      const server = createServer()
      const remove = await listen(server, { path })
      await expect(listen(createServer(), { path })).rejects.toMatchObject({
        code: 'ENGINE_RUNNING',
        message: `another process answers at ${path} already`,
      })
      await remove()
      server.close()
    }))

  it('takes the place of nothing else', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'file')
      await writeFile(path, 'mine')
      await chmod(path, 0o600)
      await expect(listen(createServer(), { path })).rejects.toMatchObject({
        message: `${path} is there already, and is no socket`,
      })
      await expect(listen(createServer(), { path: join(folder, 'x'.repeat(100)) })).rejects.toThrow(
        'is too long for a unix socket',
      )
    }))
})

describe('stopping', () => {
  it('waits for what goes on, and takes nothing new', async () => {
    await using rig = await DaemonRig.start()
    await rig.ask('GET /v1/status')
    const { controller } = rig
    let finish = () => {}
    const doctor = controller.doctor.bind(controller)
    const begun = new Promise<void>((resolve) => {
      controller.doctor = async (options) => {
        resolve()
        await new Promise<void>((done) => {
          finish = done
        })
        return doctor(options)
      }
    })
    const answer = rig.ask('POST /v1/doctor')
    await begun
    const closing = rig.daemon.close()
    // Either it is not there any more, or a connection that was open is told.
    const late = await rig.ask('GET /v1/status').catch((error: unknown) => ({ body: error }))
    expect((late.body as { code: string }).code).toMatch(/^(DAEMON_UNREACHABLE|ENOENT|ECONNRESET)$/)
    finish()
    expect((await answer).body).toEqual([])
    await closing
  })

  it('does not wait for ever, and cancels what is cut off', async () => {
    await using rig = await DaemonRig.start({ graceMs: 50 })
    let signal: AbortSignal | undefined
    const begun = new Promise<void>((resolve) => {
      rig.controller.doctor = (options) => {
        signal = options?.signal
        resolve()
        return new Promise(() => {})
      }
    })
    const answer = rig.ask('POST /v1/doctor').catch((error: Error) => error)
    await begun
    await rig.daemon.close()
    expect(await answer).toMatchObject({ code: 'ECONNRESET' })
    await expect.poll(() => signal?.aborted).toBe(true)
  })

  it('ends where its socket can’t be removed, and says so', async () => {
    await using rig = await DaemonRig.start()
    const response = await rig.open('GET /v1/events')
    await rename(rig.folder, `${rig.folder}-moved`)
    await writeFile(rig.folder, 'no folder')
    await rig.daemon.close()
    await rig.daemon.closed
    expect(await text(response)).toBe('')
    const messages = rig.logged.map(({ message }) => message)
    expect(messages).toContain('the socket could not be removed')
    await rm(`${rig.folder}-moved`, { recursive: true })
  })
})

it('cancels the work of who goes away', async () => {
  await using rig = await DaemonRig.start()
  const abort = new AbortController()
  const cancelled = new Promise<boolean>((resolve) => {
    rig.controller.createNetwork = ({ signal }) => {
      signal?.addEventListener('abort', () => resolve(true))
      abort.abort()
      return new Promise(() => {})
    }
  })
  const answer = rig.ask('POST /v1/networks', { body: { name: 'web' }, signal: abort.signal })
  await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
  expect(await cancelled).toBe(true)
})

describe('an idle daemon', () => {
  it('ends after its last sandbox, and not before', async () => {
    await using rig = await DaemonRig.start({ idleExitMs: 300 })
    await rig.ask('POST /v1/sandboxes', { body: { name: 'box' } })
    const early = await Promise.race([rig.daemon.closed.then(() => 'closed'), delay(600)])
    expect(early).toBe('waited')
    const begin = performance.now()
    await rig.controller.sandbox('box').delete()
    await rig.daemon.closed
    expect(performance.now() - begin).toBeGreaterThan(280)
  })

  it('does not end while a client listens', async () => {
    await using rig = await DaemonRig.start({ idleExitMs: 300 })
    const response = await rig.open('GET /v1/events')
    expect(await Promise.race([rig.daemon.closed.then(() => 'closed'), delay(600)])).toBe('waited')
    response.destroy()
    await rig.daemon.closed
  })

  it('counts what goes on once, however often its end is told', async () => {
    let idle = 0
    const activity = new Activity({ idleMs: 10, isBusy: () => false, onIdle: () => idle++ })
    const [one, two] = [activity.enter(), activity.enter()]
    one()
    one()
    await delay(50)
    expect(idle).toBe(0)
    two()
    await expect.poll(() => idle).toBe(1)
  })
})

describe('the gate', () => {
  it('lets so many in, the others in their order, and refuses the rest', async () => {
    const { signal } = new AbortController()
    const gate = new Gate({ most: 1, mostWaiting: 2 })
    const leave = await gate.enter(signal)
    const abort = new AbortController()
    const impatient = gate.enter(abort.signal)
    const order: number[] = []
    const next = gate.enter(signal).then((leaveNext) => {
      order.push(1)
      return leaveNext
    })
    await expect(gate.enter(signal)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    abort.abort()
    await expect(impatient).rejects.toMatchObject({ code: 'CANCELLED' })
    const last = gate.enter(signal).then(() => order.push(2))
    leave()
    leave()
    const leaveNext = await next
    expect(order).toEqual([1])
    leaveNext()
    await last
    expect(order).toEqual([1, 2])
  })

  it('keeps long requests from keeping out the rest', async () => {
    await using rig = await DaemonRig.start()
    const streams = await Promise.all(Array.from({ length: 256 }, () => rig.open('GET /v1/events')))
    expect(await rig.ask('GET /v1/events')).toMatchObject({
      status: 503,
      body: { code: 'TOO_MANY_REQUESTS' },
    })
    expect((await rig.ask('GET /v1/status')).status).toBe(200)
    streams.pop()?.destroy()
    await expect
      .poll(async () => {
        const response = await rig.open('GET /v1/events')
        streams.push(response)
        return response.statusCode
      })
      .toBe(200)
    for (const stream of streams) stream.destroy()
  })
})

describe('sockets of systemd', () => {
  it('are told apart by name, and told of once', () => {
    const environment: NodeJS.ProcessEnv = {
      LISTEN_PID: String(process.pid),
      LISTEN_FDS: '3',
      LISTEN_FDNAMES: 'cnm.sock:docker.sock:cnm.sock',
      PATH: '/bin',
    }
    expect([...inheritedSockets(environment)]).toEqual([
      ['cnm.sock', [3, 5]],
      ['docker.sock', [4]],
    ])
    expect(environment).toEqual({ PATH: '/bin' })
  })

  it('are not taken from another process', () => {
    const environment = { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'cnm.sock' }
    expect([...inheritedSockets(environment)]).toEqual([])
  })
})

function delay(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve('waited'), ms))
}
