import { afterEach, expect, it, vi } from 'vitest'
import {
  close,
  EPOLLIN,
  epollAdd,
  epollCreate,
  epollWait,
  eventfd,
  raiseEvent,
} from '../../kernel/linux/service/index.ts'
import { FdBackoff } from './fd-backoff.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('ignores for a second what backs off, and then looks at it as before', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const [epoll, ready, other] = [epollCreate(), eventfd(), eventfd()]
  try {
    const backoff = new FdBackoff(epoll)
    for (const fd of [ready, other]) {
      epollAdd(epoll, fd, EPOLLIN)
      raiseEvent(fd)
    }
    const found = () => epollWait(epoll, 0).map(({ fd }) => fd)
    expect(backoff.step()).toBe(-1)
    expect(found()).toEqual([ready, other])
    backoff.begin(ready, EPOLLIN)
    backoff.begin(ready, EPOLLIN)
    expect(backoff.step()).toBe(1000)
    expect(found()).toEqual([other])
    vi.advanceTimersByTime(999)
    expect(backoff.step()).toBe(1)
    expect(found()).toEqual([other])
    vi.advanceTimersByTime(1)
    expect(backoff.step()).toBe(-1)
    expect(found().sort()).toEqual([ready, other].sort())
    backoff.begin(ready, EPOLLIN)
    backoff.remove(ready)
    backoff.remove(other)
    vi.advanceTimersByTime(1000)
    expect(backoff.step()).toBe(-1)
    expect(found()).toEqual([])
  } finally {
    for (const fd of [epoll, ready, other]) close(fd)
  }
})
