import { chmod, writeFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RouteServer } from '../../test/support/route-server.ts'
import { connectController } from './client.ts'
import { Connection } from './connection.ts'
import type { RemoteController } from './remote-controller.ts'
import { unreachable } from './unreachable.ts'

const sandbox = {
  id: 'b',
  name: 'box',
  state: 'ready',
  created: '2026-01-01T00:00:00.000Z',
  labels: {},
  links: [],
  origin: 'own',
  gateways: [],
  ephemeral: false,
}

let server: RouteServer
let cnm: RemoteController

beforeEach(async () => {
  server = await RouteServer.start()
  cnm = await connectController({ socket: server.path })
})

afterEach(async () => {
  await cnm.close()
  await server[Symbol.asyncDispose]()
})

const asked = (route: string) => server.asked.filter((each) => each.route === route)

describe('connections', () => {
  it('are used again', async () => {
    await cnm.status()
    await cnm.status()
    expect(new Set(server.asked.map(({ socket }) => socket)).size).toBe(1)
  })

  it('are 16 at most, besides those for what may take long', async () => {
    server
      .on('createSandbox', () => sandbox)
      .on('execInSandbox', () => ({ code: 0, signal: null, stdout: 'out', stderr: '' }))
    const box = await cnm.createSandbox()
    let arrived = 0
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const full = new Promise<void>((resolve) => {
      server.on('down', async () => {
        arrived += 1
        if (arrived === 16) resolve()
        await released
      })
    })
    const calls = Array.from({ length: 40 }, () => cnm.down())
    await full
    expect((await box.exec(['true'])).stdout).toBe('out')
    expect(arrived).toBe(16)
    release()
    await Promise.all(calls)
    expect(arrived).toBe(40)
    expect(new Set(asked('down').map(({ socket }) => socket)).size).toBe(16)
  })

  it('that wait for work keep no program from its end', async () => {
    for (const socket of server.sockets) socket.unref()
    const idle = keeping()
    let busy = 0
    server.on('down', () => {
      busy = keeping()
    })
    await cnm.down()
    await vi.waitFor(() => expect(keeping()).toBe(idle))
    expect(busy).toBe(idle + 1)
    expect(server.sockets.length).toBe(1)
  })

  it('are ended by close, after the calls that are under way', async () => {
    let finish = () => {}
    const begun = new Promise<void>((resolve) => {
      server.on('down', () => {
        resolve()
        return new Promise<void>((done) => {
          finish = done
        })
      })
    })
    const call = cnm.down()
    await begun
    const closed = cnm.close()
    await expect(cnm.status()).rejects.toMatchObject({ code: 'CLOSED' })
    finish()
    await call
    await closed
    await Promise.all(server.sockets.map((socket) => finished(socket).catch(() => {})))
    await cnm.close()
  })
})

describe('a connection that the daemon ended while it was idle', () => {
  it('is made again, and the question is asked once', async () => {
    const before = server.sockets
    expect(before.length).toBe(1)
    // The client hears of it only after it has written.
    for (const socket of before) socket.destroy()
    await cnm.down()
    expect(asked('down').length).toBe(1)
  })

  it('is made again for all that was asked at once', async () => {
    await Promise.all(Array.from({ length: 16 }, () => cnm.status()))
    await server.stop()
    await server.listen()
    await Promise.all(Array.from({ length: 16 }, () => cnm.down()))
    expect(asked('down').length).toBe(16)
  })
})

describe('a daemon that ends in the middle', () => {
  it('is not asked twice to do something', async () => {
    server.on('down', ({ socket }) => {
      socket.destroy()
      return new Promise(() => {})
    })
    await expect(cnm.down()).rejects.toMatchObject({
      code: 'DAEMON_UNREACHABLE',
      message: `the daemon at ${server.path} ended the connection before it had answered POST /v1/down`,
      hint: expect.stringContaining('it may have been done'),
    })
    expect(asked('down').length).toBe(1)
  })

  it('is asked twice how things are', async () => {
    let times = 0
    server.on('status', ({ socket }) => {
      times += 1
      if (times > 1) return server.status
      socket.destroy()
      return new Promise(() => {})
    })
    expect((await cnm.status()).instance).toBe('first')
    expect(times).toBe(2)
  })

  it('in the middle of an answer leaves an error, no half of it', async () => {
    server.on('listNetworks', ({ response, socket }) => {
      response.write('[', () => socket.destroy())
      return new Promise(() => {})
    })
    await expect(cnm.networks()).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' })
  })
})

describe('a daemon that is not there', () => {
  const refused = { code: 'DAEMON_UNREACHABLE', details: { socket: expect.any(String) } }

  it('is named by its socket, whether there is one or not', async () => {
    const message = (path: string) => `no daemon answers at ${path}`
    await server.stop()
    await expect(cnm.status()).rejects.toMatchObject({ ...refused, message: message(server.path) })
    const file = `${server.path}-file`
    await writeFile(file, '')
    await chmod(file, 0o600)
    await expect(connectController({ socket: file })).rejects.toMatchObject({
      ...refused,
      message: message(file),
      hint: expect.stringContaining('cnm daemon'),
    })
  })

  it('for a caller that may not ask says who may', () => {
    const cause = Object.assign(new Error('no'), { code: 'EACCES', syscall: 'connect' })
    expect(unreachable('/run/cnm/cnm.sock', cause)).toMatchObject({
      code: 'MISSING_CAPABILITY',
      message: 'you may not talk to the daemon at /run/cnm/cnm.sock',
      hint: 'root and members of the group cnm may',
    })
  })
})

it('a client that was closed before it was used is closed', async () => {
  const connection = new Connection(server.path)
  await connection.close()
  expect(connection.closing.aborted).toBe(true)
})

/** How many unix sockets keep this process from its end. */
function keeping(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length
}
