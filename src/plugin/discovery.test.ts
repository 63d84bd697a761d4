import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findPlugin, pluginNames } from './discovery.ts'
import type { PluginFolders } from './place.ts'

let root: string
let folders: PluginFolders
const servers: Server[] = []

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'plugins-'))
  folders = {
    sockets: [join(root, 'run')],
    specs: [join(root, 'etc'), join(root, 'lib')],
    managed: [join(root, 'managed')],
  }
})

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done))
  await rm(root, { recursive: true, force: true })
})

async function socket(path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  const server = createServer()
  servers.push(server)
  await new Promise<void>((done) => server.listen(join(root, path), done))
}

async function file(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), content)
}

const addressOf = async (name: string) => (await findPlugin(name, folders))?.address

describe('a plugin is found', () => {
  const places = [
    ['run/a.sock', () => ({ socket: join(root, 'run/a.sock') })],
    ['run/a/a.sock', () => ({ socket: join(root, 'run/a/a.sock') })],
    ['etc/a.spec', () => ({ host: 'one', port: 1 })],
    ['etc/a/a.spec', () => ({ host: 'two', port: 2 })],
    ['etc/a.json', () => ({ host: 'three', port: 3 })],
    ['etc/a/a.json', () => ({ host: 'four', port: 4 })],
    ['lib/a.spec', () => ({ host: 'five', port: 5 })],
    ['lib/a.json', () => ({ host: 'six', port: 6 })],
  ] as const

  it('in this order', async () => {
    expect(await addressOf('a')).toBeUndefined()
    for (const [path, expected] of places.toReversed()) {
      const address = expected()
      if ('socket' in address) await socket(path)
      else {
        const url = `tcp://${address.host}:${address.port}`
        await file(path, path.endsWith('.json') ? JSON.stringify({ Addr: url }) : `${url}\n`)
      }
      expect(await findPlugin('a', folders)).toEqual({
        name: 'a',
        source: join(root, path),
        address,
      })
      expect(await pluginNames(folders)).toEqual(['a'])
    }
  })

  it('not where there is a file in place of a socket', async () => {
    await file('run/a.sock', '')
    expect(await addressOf('a')).toBeUndefined()
  })

  it('not outside its folders', async () => {
    await file('secret.spec', 'tcp://host:1')
    for (const name of ['../secret', 'a/../../secret', '', '.', '..']) {
      expect(await addressOf(name)).toBeUndefined()
    }
  })
})

describe('an address', () => {
  it.each([
    ['unix:///run/a.sock', { socket: '/run/a.sock' }],
    ['tcp://10.0.0.1:80', { host: '10.0.0.1', port: 80 }],
    ['http://plugin', { host: 'plugin', port: 80 }],
    ['https://plugin', { host: 'plugin', port: 443, tls: { insecure: true } }],
    ['http://[fd00::1]:8080', { host: 'fd00::1', port: 8080 }],
  ])('%s', async (url, expected) => {
    await file('etc/a.spec', `${url}\n`)
    expect(await addressOf('a')).toEqual(expected)
  })

  it.each(['plugin:80', '/run/a.sock', 'tcp://plugin', 'ftp://plugin:21', '', 'unix://a'])(
    'is none: %s',
    async (url) => {
      await file('etc/a.spec', url)
      await expect(addressOf('a')).rejects.toMatchObject({
        code: 'PLUGIN_UNAVAILABLE',
        message: expect.stringContaining('etc/a.spec'),
      })
    },
  )

  it('comes with what it is to be trusted by', async () => {
    const TLSConfig = { CAFile: '/ca', CertFile: '/cert', KeyFile: '/key' }
    await file('etc/a.json', JSON.stringify({ Name: 'a', Addr: 'tcp://plugin:443', TLSConfig }))
    const tls = { insecure: false, ca: '/ca', certificate: '/cert', key: '/key' }
    expect(await addressOf('a')).toEqual({ host: 'plugin', port: 443, tls })
    const unsure = { InsecureSkipVerify: true, CAFile: '/ca' }
    await file('etc/a.json', JSON.stringify({ Addr: 'https://plugin', TLSConfig: unsure }))
    expect(await addressOf('a')).toMatchObject({ tls: { insecure: true } })
  })

  it.each(['{', '[]', '{"Addr": 7}', '{}'])('is none in JSON: %s', async (text) => {
    await file('etc/a.json', text)
    await expect(addressOf('a')).rejects.toMatchObject({ code: 'PLUGIN_UNAVAILABLE' })
  })
})

describe('a plugin that Docker manages', () => {
  const config = (more: object) =>
    JSON.stringify({
      plugin: {
        Id: 'f00',
        Name: 'vieux/net:latest',
        Enabled: true,
        Config: { Interface: { Socket: 'net.sock', Types: ['docker.networkdriver/1.0'] } },
        ...more,
      },
    })

  it('is found by its name, with or without its tag', async () => {
    await file('managed/f00/config.json', config({}))
    await file('managed/half/config.json', '{"plug')
    const address = { socket: join(root, 'run/f00/net.sock') }
    expect(await addressOf('vieux/net')).toEqual(address)
    expect(await addressOf('vieux/net:latest')).toEqual(address)
    expect(await addressOf('vieux/net:v2')).toBeUndefined()
    expect(await pluginNames(folders)).toEqual(['vieux/net'])
  })

  it('is of no use while it is switched off', async () => {
    await file('managed/f00/config.json', config({ Enabled: false }))
    await expect(addressOf('vieux/net')).rejects.toMatchObject({
      code: 'PLUGIN_UNAVAILABLE',
      hint: 'switch it on: docker plugin enable vieux/net:latest',
    })
  })
})
