import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import { KernelError } from '../../base/errors.ts'
import type { ZoneResource } from '../../kernel/kept-resource.ts'
import { listenUnix } from '../../kernel/linux/ffi/unix-socket.ts'
import { close, eventfd, raiseEvent } from '../../kernel/linux/service/index.ts'
import type { LoopOrder, LoopReport } from './control/messages.ts'
import { Loop } from './loop.ts'

/** In place of sockets there are events. This one can't be waited for. */
let refused: number | undefined
/** In place of receiving. */
let receive: () => number

vi.mock('../../kernel/linux/service/index.ts', async (original) => {
  const real = await original<typeof import('../../kernel/linux/service/index.ts')>()
  class DatagramSlots extends real.DatagramSlots {
    override receive(): number {
      return receive()
    }
  }
  const epollAdd: typeof real.epollAdd = (epoll, fd, mask) => {
    if (fd === refused) throw new KernelError('epoll_ctl', 'ENOSPC')
    real.epollAdd(epoll, fd, mask)
  }
  return { ...real, DatagramSlots, epollAdd, setReceiveRoom: () => {} }
})

let folder: string
let main: MessagePort
let wakeFd: number
let open: number[]
let loop: Loop

beforeEach(() => {
  refused = undefined
  folder = mkdtempSync(join(tmpdir(), 'cnm-loop-'))
  const path = join(folder, 'a.sock')
  const { port1, port2 } = new MessageChannel()
  main = port1
  wakeFd = eventfd()
  const listenFd = listenUnix(path)
  open = [wakeFd, listenFd]
  const taken = new Int32Array(new SharedArrayBuffer(4))
  loop = new Loop({ port: port2, wakeFd, taken, listenFd, socket: path, stays: false })
})

afterEach(() => {
  main.close()
  for (const fd of open) close(fd)
  rmSync(folder, { recursive: true })
})

function reports(): LoopReport[] {
  const received = receiveMessageOnPort(main)
  return received === undefined ? [] : [received.message as LoopReport, ...reports()]
}

function keep(...zones: readonly { readonly name: string; readonly udp: number }[]): void {
  const add = zones.map(({ name }) => {
    const resource: ZoneResource = { kind: 'zone', name, listen: '127.0.0.153' as IpAddress }
    return { resource, sockets: 2 }
  })
  const sockets = zones.flatMap(({ udp }) => [udp, eventfd()])
  open.push(...sockets.filter((_, place) => place % 2 === 1))
  loop.change({ remove: [], add }, sockets, () => {})
}

it('does nothing of a change for which there is no room, and goes on', () => {
  const zones = ['a.test', 'b.test'].map((name) => ({ name, udp: eventfd() }))
  open.push(...zones.map(({ udp }) => udp))
  refused = zones[1]!.udp
  expect(() => keep(...zones)).toThrow('ENOSPC')
  expect(loop.kept.resources).toEqual([])
  refused = undefined
  keep(...zones)
  expect(loop.kept.resources).toHaveLength(2)
})

it('gives a listening socket away when a client connects', () => {
  const udp = eventfd()
  open.push(udp)
  keep({ name: 'a.test', udp })
  const tcp = open.at(-1)!
  raiseEvent(tcp)
  main.postMessage({ type: 'stop' })
  raiseEvent(wakeFd)
  loop.run()
  expect(reports()).toContainEqual({ type: 'connect', endpoint: 1, fd: tcp })
  loop.change({ remove: ['zone:a.test'], add: [] }, [], () => {})
  expect(reports()).toMatchObject([{ type: 'change', close: [1] }])
})

it('reads a socket again a second after the kernel could not', () => {
  const udp = eventfd()
  open.push(udp)
  raiseEvent(udp)
  let reads = 0
  receive = () => {
    reads += 1
    if (reads === 1) throw new KernelError('recvmmsg', 'ENOMEM')
    const order: LoopOrder = { type: 'stop' }
    main.postMessage(order)
    raiseEvent(wakeFd)
    return 0
  }
  keep({ name: 'a.test', udp })
  const started = performance.now()
  loop.run()
  expect(reads).toBeGreaterThan(1)
  expect(performance.now() - started).toBeGreaterThan(900)
  expect(reports().filter(({ type }) => type === 'problem')).toHaveLength(1)
})
