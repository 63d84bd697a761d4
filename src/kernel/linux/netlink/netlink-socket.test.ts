import { beforeEach, describe, expect, it, vi } from 'vitest'
import { KernelError } from '../../../base/errors.ts'
import { string, u32 } from './codec.ts'
import { forEachMessage, type Header, type Message } from './message.ts'
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts'
import { schema } from './schema.ts'

/** What the kernel would have ready to be received: datagrams, or errors of `recv`. */
const ready: (Buffer | Error)[] = []
const sent: Header[] = []
/** Answers the messages of one send. */
let answer: (headers: readonly Header[]) => void = () => {}

/** Descriptors that were put in place of others. */
const replaced: number[][] = []

vi.mock('../ffi/file.ts', () => ({
  close: () => {},
  dup3: (from: number, to: number) => {
    replaced.push([from, to])
    // What was still to be received was the other one's.
    ready.length = 0
  },
}))
vi.mock('../ffi/socket.ts', async (original) => ({
  ...(await original<typeof import('../ffi/socket.ts')>()),
  socket: () => 99,
  setsockopt: () => {},
  connect: () => {},
  send: (_fd: number, bytes: Buffer, length: number) => {
    const headers: Header[] = []
    forEachMessage(bytes, length, (header) => headers.push(header))
    sent.push(...headers)
    answer(headers)
  },
  recv: (_fd: number, buffer: Buffer) => {
    const next = ready.shift()
    if (next === undefined) return undefined
    if (next instanceof Error) throw next
    next.copy(buffer)
    return next.length
  },
}))

const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const NLM_F_MULTI = 2
const NLM_F_DUMP_INTR = 16
const NLM_F_ACK_TLVS = 0x200
const NLM_F_CAPPED = 0x100
const EEXIST = 17

const item = schema({ value: [1, u32] })

function datagram(type: number, sequence: number, body: Uint8Array, flags = 0): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + body.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(flags, 6)
  header.writeUInt32LE(sequence, 8)
  return Buffer.concat([header, body, Buffer.alloc(-body.length & 3)])
}

function status(request: Header, errno: number, text?: string, offset?: number): Buffer {
  const code = Buffer.alloc(4)
  code.writeInt32LE(-errno)
  const about = Buffer.alloc(16)
  if (text === undefined && offset === undefined) {
    return datagram(NLMSG_ERROR, request.sequence, Buffer.concat([code, about]), NLM_F_CAPPED)
  }
  const tlvs = schema({ text: [1, string], offset: [2, u32] }).encode({ text, offset })
  const content = Buffer.concat([code, about, tlvs])
  return datagram(NLMSG_ERROR, request.sequence, content, NLM_F_CAPPED | NLM_F_ACK_TLVS)
}

function value(request: Header, number: number, flags = NLM_F_MULTI): Buffer {
  return datagram(100, request.sequence, item.encode({ value: number }), flags)
}

function done(request: Header, errno = 0, flags = NLM_F_MULTI): Buffer {
  const code = Buffer.alloc(4)
  code.writeInt32LE(-errno)
  return datagram(NLMSG_DONE, request.sequence, code, flags)
}

function message(target?: string): Message {
  const body = Buffer.from('abc')
  return { operation: 'RTM_NEWTHING', type: 50, flags: 0x600, body, ...(target && { target }) }
}

const overrun = () => new KernelError('recv', 'ENOBUFS')

let socket: NetlinkSocket

beforeEach(() => {
  ready.length = 0
  sent.length = 0
  answer = () => {}
  socket = new NetlinkSocket(NETLINK_ROUTE)
})

describe('requests', () => {
  it('ask for one acknowledgement for all, and pad each message', () => {
    answer = (headers) => ready.push(status(headers.at(-1)!, 0))
    expect(socket.requestAll([message(), message(), message()])).toEqual([])
    expect(sent.map(({ flags, length }) => [flags, length])).toEqual([
      [0x601, 19],
      [0x601, 19],
      [0x605, 19],
    ])
    expect(sent.map(({ sequence }) => sequence - sent[0]!.sequence)).toEqual([0, 1, 2])
  })

  it('tell of lost answers behind those that arrived, and take all there are', () => {
    answer = (headers) => {
      ready.push(
        new KernelError('recv', 'ENOBUFS'),
        status(headers[1]!, EEXIST),
        status(headers[2]!, 0),
      )
    }
    const failures = socket.requestAll([message(), message('b'), message()])
    expect(failures).toMatchObject([
      { index: 1, error: { errno: 'EEXIST' } },
      { index: undefined, error: { errno: 'ENOBUFS' } },
    ])
    expect(ready).toEqual([])
    answer = () => {}
    expect(socket.requestAll([message()])).toMatchObject([
      { index: undefined, error: { errno: 'ENODATA' } },
    ])
  })

  it('throw the words of the kernel', () => {
    answer = ([header]) => ready.push(status(header!, EEXIST, 'there is one'))
    expect(() => socket.request(message('link a'))).toThrow(
      'RTM_NEWTHING link a: EEXIST: there is one',
    )
    answer = ([header]) => ready.push(status(header!, EEXIST, undefined, 36))
    expect(() => socket.request(message())).toThrow('it points at byte 20 of the body')
  })

  it('read extended acknowledgements behind a request that is sent back whole', () => {
    answer = ([header]) => {
      const whole = Buffer.alloc(4 + 19 + 1)
      whole.writeInt32LE(-EEXIST)
      whole.writeUInt32LE(19, 4)
      const tlvs = schema({ text: [1, string] }).encode({ text: 'no' })
      ready.push(
        datagram(NLMSG_ERROR, header!.sequence, Buffer.concat([whole, tlvs]), NLM_F_ACK_TLVS),
      )
    }
    expect(() => socket.request(message())).toThrow('EEXIST: no')
  })

  it('skip answers to something else', () => {
    answer = ([header]) => {
      ready.push(status({ ...header!, sequence: header!.sequence - 1 }, EEXIST))
      ready.push(status({ ...header!, sequence: header!.sequence + 1 }, EEXIST))
      ready.push(value(header!, 1))
      ready.push(status(header!, 0))
    }
    socket.request(message())
    expect(ready).toEqual([])
  })

  it('are in error where no answer comes', () => {
    expect(() => socket.request(message())).toThrow('ENODATA: the kernel gave no answer')
    expect(() => socket.get(message(), item)).toThrow('ENODATA')
    expect(() => socket.dump(message(), item)).toThrow('ENODATA')
  })

  it('refuse a cut short status', () => {
    answer = ([header]) => ready.push(datagram(NLMSG_ERROR, header!.sequence, Buffer.alloc(4)))
    expect(() => socket.request(message())).toThrow('EBADMSG')
  })
})

describe('dumps', () => {
  it('collect many parts', () => {
    answer = ([header]) => {
      ready.push(Buffer.concat([value(header!, 1), value(header!, 2)]))
      ready.push(value(header!, 3), done(header!))
    }
    expect(socket.dump(message(), item)).toEqual([{ value: 1 }, { value: 2 }, { value: 3 }])
    expect(sent[0]!.flags & 0x300).toBe(0x300)
  })

  it('are asked for again when they were interrupted, but not for ever', () => {
    let rounds = 0
    answer = ([header]) => {
      rounds += 1
      const flags = rounds < 3 ? NLM_F_MULTI | NLM_F_DUMP_INTR : NLM_F_MULTI
      ready.push(value(header!, rounds), done(header!, 0, flags))
    }
    expect(socket.dump(message(), item)).toEqual([{ value: 3 }])
    answer = ([header]) => ready.push(done(header!, 0, NLM_F_MULTI | NLM_F_DUMP_INTR))
    expect(() => socket.dump(message(), item)).toThrow('EAGAIN: what was asked for kept changing')
  })

  it('of what others fill are cut, and the rest is left with the socket', () => {
    const limited = new NetlinkSocket(NETLINK_ROUTE, { most: 2, reopen: () => 77 })
    answer = ([header]) => {
      ready.push(Buffer.concat([1, 2].map((number) => value(header!, number))))
      for (let number = 3; number < 100; number += 1) ready.push(value(header!, number))
      ready.push(done(header!))
    }
    expect(limited.dump(message(), item)).toEqual([{ value: 1 }, { value: 2 }])
    expect(replaced.splice(0)).toEqual([[77, limited.fd]])
    expect([limited.takeCut(), limited.takeCut()]).toEqual([true, false])
    answer = ([header]) => ready.push(value(header!, 1), value(header!, 2), done(header!))
    expect(limited.dump(message(), item)).toEqual([{ value: 1 }, { value: 2 }])
    expect(limited.takeCut()).toBe(false)
    expect(replaced).toEqual([])
  })

  it('of what others change all the time are taken as they are, after few tries', () => {
    const limited = new NetlinkSocket(NETLINK_ROUTE, { most: 10, reopen: () => 77 })
    let rounds = 0
    answer = ([header]) => {
      rounds += 1
      ready.push(value(header!, rounds), done(header!, 0, NLM_F_MULTI | NLM_F_DUMP_INTR))
    }
    expect(limited.dump(message(), item)).toEqual([{ value: 3 }])
    expect(limited.takeCut()).toBe(true)
  })

  it('are asked for again with a larger buffer when a part was cut off', () => {
    const large = Buffer.alloc(100_000, 7)
    answer = ([header]) => {
      ready.push(datagram(100, header!.sequence, large, NLM_F_MULTI), done(header!))
    }
    const size = { read: (_: Buffer, start: number, end: number) => end - start }
    expect(socket.dump(message(), size)).toEqual([100_000])
    expect(sent).toHaveLength(2)
  })

  it('are asked for again when answers were dropped', () => {
    let rounds = 0
    answer = ([header]) => {
      if (++rounds === 1) ready.push(overrun())
      ready.push(value(header!, rounds), done(header!))
    }
    expect(socket.dump(message(), item)).toEqual([{ value: 2 }])
  })

  it('say what the kernel said at their end', () => {
    answer = ([header]) => ready.push(value(header!, 1), done(header!, EEXIST))
    expect(() => socket.dump(message('things'), item)).toThrow('RTM_NEWTHING things: EEXIST')
  })

  it('are read to their end when an object is malformed', () => {
    answer = ([header]) => {
      ready.push(datagram(100, header!.sequence, Buffer.from([9, 0, 1, 0]), NLM_F_MULTI))
      ready.push(value(header!, 2), done(header!))
    }
    expect(() => socket.dump(message(), item)).toThrow('EBADMSG')
    expect(ready).toEqual([])
  })

  it('may use the socket while they decode', () => {
    answer = ([header]) => {
      if ((header!.flags & 0x300) === 0x300) {
        ready.push(Buffer.concat([value(header!, 1), value(header!, 2), done(header!)]))
      } else ready.unshift(value(header!, 7, 0))
    }
    const nested = {
      read: (buffer: Buffer, start: number, end: number) => [
        socket.get({ ...message(), flags: 0 }, item).value,
        item.read(buffer, start, end).value,
      ],
    }
    expect(socket.dump(message(), nested)).toEqual([
      [7, 1],
      [7, 2],
    ])
  })
})

describe('batches', () => {
  const batch = () =>
    new NetlinkSocket(NETLINK_NETFILTER).batch(10, [message('a'), message('b'), message('c')])

  it('are brackets with messages between', () => {
    answer = (headers) => ready.push(status(headers[3]!, 0))
    expect(batch()).toEqual([])
    expect(sent.map(({ type, flags }) => [type, flags & 4])).toEqual([
      [0x10, 0],
      [50, 0],
      [50, 0],
      [50, 4],
      [0x11, 0],
    ])
  })

  it('tell which messages were refused', () => {
    answer = (headers) =>
      ready.push(status(headers[1]!, EEXIST), status(headers[3]!, EEXIST, 'again', 40))
    expect(batch()).toMatchObject([
      { index: 0, error: { target: 'a', errno: 'EEXIST' } },
      { index: 2, error: { target: 'c', errno: 'EEXIST' }, offset: 24 },
    ])
  })

  it('tell a failed commit besides the acknowledgement', () => {
    answer = (headers) => ready.push(status(headers[0]!, 1), status(headers[3]!, 0))
    expect(batch()).toMatchObject([{ index: undefined, error: { errno: 'EPERM' } }])
  })

  it('are in error where no answer comes', () => {
    expect(batch).toThrow('NFNL_MSG_BATCH_BEGIN: ENODATA')
  })
})

describe('receive', () => {
  it('gives what was told until there is no more', () => {
    const header = { length: 0, type: 0, flags: 0, sequence: 7, portId: 0 }
    ready.push(Buffer.concat([value(header, 1), value(header, 2)]), value(header, 3))
    const { notifications, overrun } = socket.receive()
    expect(notifications.map(({ header, body }) => [header.type, item.decode(body).value])).toEqual(
      [
        [100, 1],
        [100, 2],
        [100, 3],
      ],
    )
    expect(overrun).toBe(false)
  })

  it('says that some got lost', () => {
    const header = { length: 0, type: 0, flags: 0, sequence: 7, portId: 0 }
    ready.push(overrun(), value(header, 1))
    const { notifications, overrun: lost } = socket.receive()
    expect(notifications).toHaveLength(1)
    expect(lost).toBe(true)
  })

  it('returns under a flood', () => {
    const header = { length: 0, type: 0, flags: 0, sequence: 7, portId: 0 }
    ready.push(...Array.from({ length: 1000 }, () => value(header, 1)))
    expect(socket.receive().notifications.length).toBeLessThan(1000)
    expect(ready.length).toBeGreaterThan(0)
  })
})
