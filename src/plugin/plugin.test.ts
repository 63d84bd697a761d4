import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as overHttp, type RequestListener } from 'node:http'
import { createServer as overHttps } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { certificate, key } from '../../test/support/tls-pair.ts'
import { ipamDriverCalls } from './ipam-driver-messages.ts'
import type { PluginAddress } from './place.ts'
import { defaultTimes, Plugin } from './plugin.ts'
import { watchPresence } from './presence.ts'
import { Unreached } from './transport.ts'

let folder: string
let socket: string
const servers: Server[] = []
const seen: { readonly url?: string; readonly headers: NodeJS.Dict<string | string[]> }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plugin-'))
  socket = join(folder, 'p.sock')
  seen.length = 0
})

afterEach(async () => {
  for (const server of servers.splice(0)) await stop(server)
  await rm(folder, { recursive: true, force: true })
})

async function stop(server: Server): Promise<void> {
  if ('closeAllConnections' in server) (server as ReturnType<typeof overHttp>).closeAllConnections()
  await new Promise((done) => server.close(done))
}

const answers: RequestListener = (request, response) => {
  seen.push({ url: request.url ?? '', headers: request.headers })
  const activate = request.url === '/Plugin.Activate'
  const answer = activate ? { Implements: ['IpamDriver'] } : { LocalDefaultAddressSpace: 'here' }
  response.end(JSON.stringify(answer))
}

async function serve(listener: RequestListener = answers): Promise<Server> {
  const server = overHttp(listener)
  servers.push(server)
  await rm(socket, { force: true })
  await new Promise<void>((done) => server.listen(socket, done))
  return server
}

function plugin(address: PluginAddress = { socket }, times = {}): Plugin {
  const find = async () => ({ name: 'p', source: socket, address })
  return new Plugin('p', find, { ...defaultTimes, retryMs: 5, ...times })
}

const spaces = (to: Plugin, options = {}) => {
  const call = ipamDriverCalls.GetDefaultAddressSpaces
  return to.call('IpamDriver', 'GetDefaultAddressSpaces', call, undefined, options)
}

describe('a call', () => {
  it('asks first what there is, once, and looks like Docker’s', async () => {
    await serve()
    const one = plugin()
    expect(await spaces(one)).toEqual({ LocalDefaultAddressSpace: 'here' })
    await spaces(one)
    const call = '/IpamDriver.GetDefaultAddressSpaces'
    expect(seen.map(({ url }) => url)).toEqual(['/Plugin.Activate', call, call])
    for (const { headers } of seen) {
      expect(headers).toMatchObject({
        accept: 'application/vnd.docker.plugins.v1.2+json',
        host: 'plugin.moby.localhost',
      })
    }
  })

  it('is not made to a plugin that implements something else', async () => {
    await serve()
    const call = ipamDriverCalls.GetCapabilities
    const made = plugin().call('NetworkDriver', 'GetCapabilities', call, undefined)
    await expect(made).rejects.toMatchObject({
      code: 'PLUGIN_FAILED',
      message: 'plugin "p" implements IpamDriver, not NetworkDriver',
    })
  })

  it('is made again while it was not heard, until it is', async () => {
    const call = spaces(plugin())
    await serve()
    expect(await call).toEqual({ LocalDefaultAddressSpace: 'here' })
  })

  it('has an end where nothing ever hears it', async () => {
    const call = spaces(plugin({ socket }, { timeoutMs: 1_000, retryMs: 10 }))
    await expect(call).rejects.toMatchObject({
      code: 'PLUGIN_UNAVAILABLE',
      message: expect.stringContaining('plugin "p": Plugin.Activate: nothing answers'),
    })
  })

  it('has an end where nothing ever answers', async () => {
    await serve(() => {})
    const call = spaces(plugin({ socket }, { timeoutMs: 50 }))
    await expect(call).rejects.toMatchObject({
      code: 'PLUGIN_UNAVAILABLE',
      message: 'plugin "p": Plugin.Activate: it has not answered within 50 ms',
    })
  })

  it('is not made again when it may have been heard', async () => {
    await serve((request, response) => {
      if (request.url === '/Plugin.Activate') return answers(request, response)
      seen.push({ url: request.url ?? '', headers: {} })
      request.socket.destroy()
    })
    await expect(spaces(plugin())).rejects.toThrow(/it has gone away meanwhile/)
    expect(seen).toHaveLength(2)
  })

  it('ends with its signal', async () => {
    await serve(() => {})
    const abort = new AbortController()
    const call = spaces(plugin(), { signal: abort.signal })
    abort.abort()
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('does not end with another’s signal', async () => {
    let answer: (() => void) | undefined
    await serve((request, response) => {
      if (request.url !== '/Plugin.Activate') return answers(request, response)
      answer = () => answers(request, response)
    })
    const one = plugin()
    const abort = new AbortController()
    const first = spaces(one, { signal: abort.signal })
    const second = spaces(one)
    abort.abort()
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect.poll(() => answer).toBeDefined()
    answer?.()
    expect(await second).toEqual({ LocalDefaultAddressSpace: 'here' })
  })

  it('is made to a plugin that has become another', async () => {
    let implemented = 'NetworkDriver'
    await serve((request, response) => {
      if (request.url !== '/Plugin.Activate') return answers(request, response)
      response.end(JSON.stringify({ Implements: [implemented] }))
    })
    const one = plugin()
    await expect(spaces(one)).rejects.toMatchObject({ code: 'PLUGIN_FAILED' })
    implemented = 'IpamDriver'
    expect(await spaces(one)).toEqual({ LocalDefaultAddressSpace: 'here' })
  })

  it('is not made at all for a while, where nothing answers', async () => {
    const one = plugin({ socket }, { pauseMs: 60_000 })
    await expect(spaces(one, { retry: false })).rejects.toThrow(/nothing answers/)
    await expect(spaces(one)).rejects.toThrow(/is not tried: nothing answers/)
    await serve()
    await expect(spaces(one)).rejects.toThrow(/is not tried/)
    await one.probe()
    expect(await spaces(one)).toEqual({ LocalDefaultAddressSpace: 'here' })
  })

  it('is not made for a while where two were not answered, though a plugin is there', async () => {
    await serve((request, response) => {
      if (request.url === '/Plugin.Activate') answers(request, response)
    })
    const one = plugin({ socket }, { timeoutMs: 50, pauseMs: 60_000 })
    for (let late = 1; late <= 2; late += 1) {
      await expect(spaces(one)).rejects.toThrow(/not answered within 50 ms/)
      await one.probe()
    }
    await expect(spaces(one)).rejects.toThrow(/is not tried: it has not answered within 50 ms/)
  })

  it('tells of an error in plain text', async () => {
    await serve((request, response) => {
      if (request.url === '/Plugin.Activate') return answers(request, response)
      response.writeHead(502).end('bad gateway\n')
    })
    await expect(spaces(plugin())).rejects.toThrow(
      'plugin "p" refuses IpamDriver.GetDefaultAddressSpaces: bad gateway',
    )
  })

  it('may lack its method, if that is not needed', async () => {
    await serve((request, response) => {
      if (request.url === '/Plugin.Activate') return answers(request, response)
      response.writeHead(404).end()
    })
    const call = ipamDriverCalls.GetCapabilities
    const made = plugin().call('IpamDriver', 'GetCapabilities', call, undefined)
    expect(await made).toBeUndefined()
    await expect(spaces(plugin())).rejects.toMatchObject({ code: 'PLUGIN_FAILED' })
  })

  it('does not read an answer without end', async () => {
    await serve((request, response) => {
      if (request.url === '/Plugin.Activate') return answers(request, response)
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65536)));
      }
      response.on('drain', more).on('error', () => {})
      more()
    })
    await expect(spaces(plugin())).rejects.toThrow(/more than \d+ bytes/)
  })
})

describe('a plugin that misbehaves', () => {
  it('gets no other protocol, and keeps no caller waiting', async () => {
    const server = createServer((connection) => {
      const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
      connection.on('error', () => {}).once('data', () => connection.write(head))
    })
    servers.push(server)
    await new Promise<void>((done) => server.listen(socket, done))
    await expect(spaces(plugin())).rejects.toMatchObject({
      code: 'PLUGIN_UNAVAILABLE',
      message: expect.stringContaining('it has not answered in HTTP'),
    })
  })

  it('fills no message, and does nothing to a terminal', async () => {
    await serve((request, response) => {
      if (request.url === '/Plugin.Activate') return answers(request, response)
      response.writeHead(500)
      response.end(JSON.stringify({ Err: `\u001b[2J\nno${'!'.repeat(1_000_000)}` }))
    })
    const error = await spaces(plugin()).catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'PLUGIN_FAILED' })
    const { message } = error as Error
    expect(message).toMatch(/^plugin "p" refuses \S+ \[2J no!+$/)
    expect(message.length).toBeLessThan(600)
  })
})

describe('over TLS', () => {
  async function secured(options: object): Promise<number> {
    const server = overHttps({ key, cert: certificate, ...options }, answers)
    servers.push(server)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return (server.address() as AddressInfo).port
  }

  beforeEach(async () => {
    await writeFile(join(folder, 'key.pem'), key)
    await writeFile(join(folder, 'cert.pem'), certificate)
  })

  it('a plugin is trusted by the authority that is named, or by none', async () => {
    const port = await secured({})
    const trusting = { insecure: false, ca: join(folder, 'cert.pem') }
    expect(await spaces(plugin({ host: '127.0.0.1', port, tls: trusting }))).toBeDefined()
    expect(await spaces(plugin({ host: '127.0.0.1', port, tls: { insecure: true } }))).toBeDefined()
    const strict = plugin({ host: '127.0.0.1', port, tls: { insecure: false } })
    await expect(spaces(strict, { retry: false })).rejects.toThrow(/self-signed certificate/)
  })

  it('a plugin is shown who asks', async () => {
    const port = await secured({ ca: certificate, requestCert: true, rejectUnauthorized: true })
    const [ca, secret] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const tls = { insecure: false, ca, certificate: ca, key: secret }
    expect(await spaces(plugin({ host: '127.0.0.1', port, tls }))).toBeDefined()
    const none = { host: '127.0.0.1', port, tls: { insecure: true } }
    await expect(spaces(plugin(none), { retry: false })).rejects.toMatchObject({
      code: 'PLUGIN_UNAVAILABLE',
    })
  })

  it('a file that is not there is named', async () => {
    const tls = { insecure: false, ca: join(folder, 'none.pem') }
    const call = spaces(plugin({ host: '127.0.0.1', port: 1, tls }), { retry: false })
    await expect(call).rejects.toThrow(/none\.pem/)
  })
})

describe('its presence', () => {
  it('is told when it comes, goes, and comes again', async () => {
    const told: string[] = []
    const abort = new AbortController()
    const watch = watchPresence(plugin(), (change) => told.push(change), abort.signal, {
      firstMs: 5,
      mostMs: 5,
    })
    await expect.poll(() => told).toEqual(['lost'])
    const server = await serve()
    await expect.poll(() => told).toEqual(['lost', 'back'])
    await stop(servers.splice(servers.indexOf(server), 1)[0]!)
    await expect.poll(() => told).toEqual(['lost', 'back', 'lost'])
    await serve()
    await expect.poll(() => told).toEqual(['lost', 'back', 'lost', 'back'])
    abort.abort()
    await watch
  })

  it('is no news where only a connection ends that says nothing', async () => {
    const told: string[] = []
    const abort = new AbortController()
    const server = await serve()
    let connections = 0
    server.on('connection', (connection) => {
      connections += 1
      // The first two are those of the calls; then it ends every one that is idle.
      if (connections > 1) connection.once('readable', () => {}).end()
    })
    const watch = watchPresence(plugin(), (change) => told.push(change), abort.signal)
    await expect.poll(() => connections, { timeout: 5_000 }).toBeGreaterThan(2)
    abort.abort()
    await watch
    expect(told).toEqual(['back'])
  })

  it('is that of a plugin that is looked for', async () => {
    const find = () => Promise.reject(new Unreached('it is nowhere'))
    const none = new Plugin('p', find, defaultTimes)
    await expect(spaces(none, { retry: false })).rejects.toThrow(/nothing answers: it is nowhere/)
  })
})
