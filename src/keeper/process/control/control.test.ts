import { fstatSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KernelError } from '../../../base/errors.ts'
import { connectUnix, listenUnix } from '../../../kernel/linux/ffi/unix-socket.ts'
import {
  accept,
  close,
  epollCreate,
  epollWait,
  eventfd,
  receiveWithDescriptors,
} from '../../../kernel/linux/service/index.ts'
import { FrameReader, KEEPER_VERSION, type KeeperReply } from '../../keeper.ts'
import { FdBackoff } from '../fd-backoff.ts'
import type { Kept } from '../kept.ts'
import { Connection } from './connection.ts'
import { Control, Held } from './control.ts'

/** What the kernel says to the sender; undefined: it takes it. */
let refusal: string | undefined

vi.mock('../../../kernel/linux/service/index.ts', async (original) => {
  const real = await original<typeof import('../../../kernel/linux/service/index.ts')>()
  const sendWithDescriptors: typeof real.sendWithDescriptors = (...args) => {
    if (refusal !== undefined) throw new KernelError('sendmsg', refusal)
    return real.sendWithDescriptors(...args)
  }
  return { ...real, sendWithDescriptors }
})

let folder: string
let open: number[]
let epoll: number
let client: number
let backoff: FdBackoff
let connection: Connection
let held: Held
let control: Control
let change: () => void

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  refusal = undefined
  folder = mkdtempSync(join(tmpdir(), 'cnm-control-'))
  const path = join(folder, 'a.sock')
  epoll = epollCreate()
  const listening = listenUnix(path)
  client = connectUnix(path, 1000)
  open = [epoll, listening, client]
  backoff = new FdBackoff(epoll)
  connection = new Connection(epoll, backoff, accept(listening)!)
  held = new Held()
  const kept = { fault: () => undefined, resources: [] } as unknown as Kept
  const target = { kept, change: () => change(), end: () => {} }
  control = new Control(connection, target, held, () => {})
})

afterEach(() => {
  vi.useRealTimers()
  for (const fd of open) close(fd)
  rmSync(folder, { recursive: true })
})

function hello(): void {
  const message = { op: 'hello', number: 1, version: KEEPER_VERSION }
  control.receive({ message, descriptors: [] })
}

/** What the engine has heard; the descriptors are closed at the end. */
function heard(): { readonly replies: unknown[]; readonly descriptors: readonly number[] } {
  const buffer = Buffer.alloc(1 << 16)
  const received = receiveWithDescriptors(client, buffer, { wait: false })
  if (received === undefined) return { replies: [], descriptors: [] }
  open.push(...received.descriptors)
  const messages = new FrameReader().push(buffer.subarray(0, received.length)) as KeeperReply[]
  return { replies: messages, descriptors: received.descriptors }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

it('answers a change that the kernel refuses, and keeps nothing of it', () => {
  hello()
  heard()
  const fd = eventfd()
  change = () => {
    throw new KernelError('epoll_ctl', 'ENOSPC')
  }
  const message = { op: 'change', number: 2, remove: [], add: [] }
  control.receive({ message, descriptors: [fd] })
  expect(heard().replies).toEqual([{ number: 2, error: expect.stringContaining('ENOSPC') }])
  expect(isOpen(fd)).toBe(false)
  connection.close()
})

it('sends what the kernel could not take a second later, with what belonged to it', () => {
  const [first, second] = [eventfd(), eventfd()]
  held.set('label', [first])
  refusal = 'ETOOMANYREFS'
  hello()
  control.receive({ message: { op: 'hold', number: 2, label: 'label' }, descriptors: [second] })
  expect(heard().replies).toEqual([])
  expect(isOpen(first)).toBe(true)
  refusal = undefined
  expect(epollWait(epoll, 0)).toEqual([])
  vi.advanceTimersByTime(1000)
  backoff.step()
  expect(epollWait(epoll, 0)).toHaveLength(1)
  connection.flush()
  expect(isOpen(first)).toBe(false)
  const { replies, descriptors } = heard()
  expect(replies).toMatchObject([{ number: 1, held: [{ label: 'label', count: 1 }] }])
  expect(descriptors).toHaveLength(1)
  expect(heard().replies).toEqual([{ number: 2 }])
  expect(connection.isIdle).toBe(true)
  open.push(second)
  connection.close()
})

it('drops what is not read any more', () => {
  refusal = 'EPIPE'
  hello()
  expect(connection.isIdle).toBe(true)
  connection.close()
})
