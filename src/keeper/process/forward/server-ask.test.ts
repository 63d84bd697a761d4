import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { IpAddress } from '../../../address/address.ts'
import { Server } from './server.ts'
import { ServerAsk, type ServerFailure } from './server-ask.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

it('is over at once where no socket can be had', () => {
  const failures: ServerFailure[] = []
  const server = new Server({ address: '192.0.2.1' as IpAddress, port: 53 })
  const question = {
    wireName: Buffer.from('\x01a\x04test\x00', 'latin1'),
    type: 1,
    class: 1,
    recursionDesired: true,
    checkingDisabled: false,
    dnssec: false,
  }
  const open = () => {
    throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  }
  const events = {
    onAnswer: () => expect.unreachable('nothing was asked'),
    onFailure: (failure: ServerFailure) => failures.push(failure),
  }
  new ServerAsk(server, question, { open, now: Date.now }, events).start()
  expect(failures).toEqual([{ text: "192.0.2.1 can't be reached (EMFILE)", network: true }])
  expect(vi.getTimerCount(), 'it would go on for ever').toBe(0)
})
