import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { close } from './file.ts'
import { bind, recv, SOCK_DGRAM, socket } from './socket.ts'
import {
  accept,
  connectUnix,
  listenUnix,
  peerCredentials,
  receiveWithDescriptors,
  sendDatagram,
  sendWithDescriptors,
} from './unix-socket.ts'

describe('unix sockets', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cnm-unix-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('carry bytes and descriptors', () => {
    const listener = listenUnix(join(folder, 'a.sock'))
    const client = connectUnix(join(folder, 'a.sock'), 1000)
    const server = accept(listener)!
    const files = ['one', 'two'].map((name) => {
      writeFileSync(join(folder, name), name)
      return openSync(join(folder, name), 'r')
    })
    const buffer = Buffer.alloc(100)
    expect(receiveWithDescriptors(server, buffer, { wait: false })).toBeUndefined()
    expect(sendWithDescriptors(client, Buffer.from('hello'), files, { wait: true })).toBe(5)
    const { length, descriptors } = receiveWithDescriptors(server, buffer, { wait: true })!
    expect(buffer.toString('utf8', 0, length)).toBe('hello')
    expect(descriptors.map((fd) => readFileSync(fd, 'utf8'))).toEqual(['one', 'two'])
    for (const fd of descriptors) expect(files).not.toContain(fd)
    expect(sendWithDescriptors(client, Buffer.from('bye'), [], { wait: true })).toBe(3)
    expect(receiveWithDescriptors(server, buffer, { wait: true })).toEqual({
      length: 3,
      descriptors: [],
    })
    close(client)
    expect(receiveWithDescriptors(server, buffer, { wait: true })?.length).toBe(0)
    for (const fd of [...files, ...descriptors, server, listener]) close(fd)
  })

  it('say so if there is nobody, or too much', () => {
    expect(() => connectUnix(join(folder, 'nobody.sock'), 1000)).toThrow('ENOENT')
    expect(() => connectUnix(`/${'x'.repeat(200)}`, 1000)).toThrow('too long for a unix socket')
    const listener = listenUnix(join(folder, 'b.sock'))
    expect(() => listenUnix(join(folder, 'b.sock'))).toThrow('EADDRINUSE')
    const client = connectUnix(join(folder, 'b.sock'), 1000)
    const chunk = Buffer.alloc(1 << 16)
    let sent: number | undefined = 0
    for (let at = 0; at < 100 && sent !== undefined; at++) {
      sent = sendWithDescriptors(client, chunk, [], { wait: false })
    }
    expect(sent).toBeUndefined()
    for (const fd of [client, listener]) close(fd)
    expect(() => connectUnix(join(folder, 'b.sock'), 1000)).toThrow('ECONNREFUSED')
  })

  it('say so if there is no room for a connection in time', async () => {
    const path = join(folder, 'c.sock')
    const server = createServer().listen({ path, backlog: 1 })
    await once(server, 'listening')
    const connected: number[] = []
    // Nothing is accepted meanwhile: that would take a turn of the event loop.
    const connectAll = () => {
      for (let times = 0; times < 10; times += 1) connected.push(connectUnix(path, 20))
    }
    expect(connectAll).toThrow('EAGAIN')
    expect(connected.length).toBeGreaterThan(0)
    for (const fd of connected) close(fd)
    await new Promise((resolve) => server.close(resolve))
  })

  it('tell who is at the other end', () => {
    const listener = listenUnix(join(folder, 'c.sock'))
    const client = connectUnix(join(folder, 'c.sock'), 1000)
    const server = accept(listener)!
    expect(peerCredentials(server)).toEqual({ pid: process.pid, uid: process.getuid?.() })
    for (const fd of [server, client, listener]) close(fd)
  })

  it.each([
    ['a path', (name: string) => join(folder, name)],
    ['an abstract address', (name: string) => `@${folder}/${name}`],
  ])('get a datagram at %s', (_, addressOf) => {
    const address = addressOf('d.sock')
    const receiver = socket(1, SOCK_DGRAM, 0)
    bind(receiver, Buffer.from(`\x01\0${address.replace('@', '\0')}`))
    sendDatagram(address, 'READY=1')
    const buffer = Buffer.alloc(100)
    const length = recv(receiver, buffer)
    expect(buffer.toString('utf8', 0, length)).toBe('READY=1')
    close(receiver)
    expect(() => sendDatagram(join(folder, 'nobody'), 'x')).toThrow('ENOENT')
  })
})
