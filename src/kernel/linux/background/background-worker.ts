import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { clearEvent, close } from '../ffi/file.ts'
import { EPOLLIN, epollAdd, epollCreate, epollWait } from '../ffi/wait.ts'
import { Namespaces } from '../namespaces/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/netlink-socket.ts'
import { RulesetPort } from '../ruleset/ruleset-port.ts'
import { Ends } from './ends.ts'
import { Forgetter } from './forgetter.ts'
import { HostEvents } from './host-events.ts'
import type { BackgroundOptions, Command, Report } from './messages.ts'
import { Reaper } from './reaper.ts'

/**
 * The thread for everything that takes time: it sleeps in epoll_wait and does what has become
 * possible. It has no event loop; the sender of a command writes to `wakeFd`.
 */

const port = parentPort!

function report(message: Report): void {
  port.postMessage(message)
}

function run({ host, wakeFd, rulesetPort }: BackgroundOptions): void {
  const namespaces = new Namespaces(host)
  const socket = new NetlinkSocket(NETLINK_ROUTE)
  const epoll = epollCreate()
  epollAdd(epoll, wakeFd, EPOLLIN)
  const reaper = new Reaper(socket, (count) => report({ type: 'deleted', count }))
  const ends = new Ends(epoll, (id) => report({ type: 'ended', id }))
  const forgetter = new Forgetter(socket, (ids, error) => {
    report({ type: 'forgotten', ids, error })
  })
  let events: HostEvents | undefined

  const obey = (command: Command): boolean => {
    switch (command.type) {
      case 'delete':
        reaper.add(command.retired)
        return true
      case 'forget':
        forgetter.add(command.id, command.forgotten)
        return true
      case 'take-care':
        reaper.takeCare()
        return true
      case 'watch':
        if (events === undefined) {
          events = new HostEvents(socket, new RulesetPort(rulesetPort))
          for (const fd of events.descriptors) epollAdd(epoll, fd, EPOLLIN)
          const { ruleset } = events
          if (ruleset !== undefined) report({ type: 'listening', fd: ruleset })
          // What happened since it was asked for has not been seen.
          report({ type: 'events', events: [{ type: 'resync' }] })
        }
        return true
      case 'await-end':
        ends.await(command)
        return true
      case 'forget-end':
        ends.forget(command.id)
        return true
      case 'stop':
        return false
    }
  }

  let goOn = true
  while (goOn) {
    const ready = epollWait(epoll, soonest(reaper.step(), ends.step()))
    for (const { fd } of ready) ends.ready(fd)
    if (events?.descriptors.some((fd) => ready.some((it) => it.fd === fd))) {
      const seen = events.read(socket)
      if (seen.length > 0) report({ type: 'events', events: seen })
    }
    if (ready.some(({ fd }) => fd === wakeFd)) {
      for (const command of commands(wakeFd)) goOn &&= obey(command)
    }
    forgetter.step()
  }
  reaper.abandon()
  forgetter.close()
  events?.close()
  socket.close()
  namespaces.close()
  close(epoll)
}

function* commands(wakeFd: number): Generator<Command> {
  clearEvent(wakeFd)
  for (;;) {
    const received = receiveMessageOnPort(port)
    if (received === undefined) return
    yield received.message as Command
  }
}

/** The shorter of two waits, of which -1 is the longest. */
function soonest(a: number, b: number): number {
  if (a < 0) return b
  return b < 0 ? a : Math.min(a, b)
}

run(workerData as BackgroundOptions)
