import { expect, it } from 'vitest'
import { KernelError } from '../../../base/errors.ts'
import type { NetnsHandles } from '../namespaces/netns-handle.ts'
import type { Message } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { type Step, Transaction } from './transaction.ts'

/** A socket that refuses the messages with these targets, and a transaction that says what is undone. */
function fixture(refusals: Readonly<Record<string, string>> = {}) {
  const log: string[] = []
  const requestAll = (messages: readonly Message[]) =>
    messages.flatMap(({ target = '' }, index) => {
      const errno = refusals[target]
      if (errno === undefined) log.push(target)
      return errno === undefined ? [] : [{ index, error: new KernelError('RTM_X', errno) }]
    })
  const socket = { requestAll } as unknown as NetlinkSocket
  const transaction = new Transaction({} as NetnsHandles)
  const step = (target: string, more: Partial<Step> = {}): Step => ({
    key: `key ${target}`,
    message: { operation: 'RTM_X', type: 0, flags: 0, body: new Uint8Array(), target },
    undo: () => log.push(`undo ${target}`),
    ...more,
  })
  return { log, socket, transaction, step }
}

it('undoes what was done, the last first, whatever fails on the way', () => {
  const { log, socket, transaction, step } = fixture()
  transaction.send(socket, [step('a'), step('b')])
  transaction.send(socket, [
    step('c', {
      undo: () => {
        throw new Error('it is gone')
      },
    }),
    step('d'),
  ])
  transaction.rollback()
  transaction.rollback()
  expect(log).toEqual(['a', 'b', 'c', 'd', 'undo d', 'undo b', 'undo a'])
})

it('tells of the first that was refused, and undoes those around it', () => {
  const { log, socket, transaction, step } = fixture({ b: 'EPERM', c: 'EIO' })
  const send = () => transaction.send(socket, [step('a'), step('b'), step('c'), step('d')])
  expect(send).toThrow(expect.objectContaining({ errno: 'EPERM', resource: 'key b' }))
  transaction.rollback()
  expect(log).toEqual(['a', 'd', 'undo d', 'undo a'])
})

it('undoes what may have been done where answers got lost', () => {
  const { log, transaction, step } = fixture()
  const failures = [
    { index: 0, error: new KernelError('RTM_X', 'EPERM') },
    { index: undefined, error: new KernelError('recv', 'ENOBUFS') },
  ]
  const send = (some: typeof failures) => {
    const socket = { requestAll: () => some } as unknown as NetlinkSocket
    transaction.send(socket, [step('a'), step('b')])
  }
  expect(() => send(failures)).toThrow('EPERM')
  expect(() => send(failures.slice(1))).toThrow('ENOBUFS')
  transaction.rollback()
  expect(log).toEqual(['undo b', 'undo a', 'undo b'])
})

it('takes a refusal for success where it is one', () => {
  const { log, socket, transaction, step } = fixture({ a: 'EEXIST' })
  const exists: Partial<Step> = { refused: ({ errno }) => errno === 'EEXIST' }
  transaction.send(socket, [step('a', exists), step('b', { done: () => log.push('done b') })])
  transaction.rollback()
  expect(log).toEqual(['b', 'done b', 'undo b'])
})

it('puts back what a failed step would have taken, since a later one may have', () => {
  const { log, socket, transaction, step } = fixture({ a: 'EIO', b: 'ESRCH' })
  const restore = (name: string) => () => log.push(`restore ${name}`)
  const steps = [
    step('a', { restore: restore('a') }),
    step('b', { restore: restore('b'), refused: () => true }),
    step('c', { restore: restore('c') }),
  ].map(({ undo: _, ...rest }) => rest)
  expect(() => transaction.send(socket, steps)).toThrow('EIO')
  transaction.rollback()
  expect(log).toEqual(['c', 'restore c', 'restore a'])
})

it('remembers what is retired', () => {
  const { transaction } = fixture()
  const namespace = { fd: 7, links: [3] }
  transaction.addRetiredLink(1)
  transaction.addRetiredLink(2)
  transaction.cancelRetiredLink(1)
  transaction.addRetiredNamespace({ fd: 6, links: [] })
  transaction.addRetiredNamespace(namespace)
  transaction.cancelRetiredNamespace(namespace)
  expect(transaction.retired).toEqual({ links: [2], namespaces: [{ fd: 6, links: [] }] })
})
