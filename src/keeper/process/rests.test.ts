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
import { Rests } from './rests.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('looks at nothing that rests for a second, and then as before', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const [epoll, ready, other] = [epollCreate(), eventfd(), eventfd()]
  try {
    const rests = new Rests(epoll)
    for (const fd of [ready, other]) {
      epollAdd(epoll, fd, EPOLLIN)
      raiseEvent(fd)
    }
    const found = () => epollWait(epoll, 0).map(({ fd }) => fd)
    expect(rests.step()).toBe(-1)
    expect(found()).toEqual([ready, other])
    rests.begin(ready, EPOLLIN)
    rests.begin(ready, EPOLLIN)
    expect(rests.step()).toBe(1000)
    expect(found()).toEqual([other])
    vi.advanceTimersByTime(999)
    expect(rests.step()).toBe(1)
    expect(found()).toEqual([other])
    vi.advanceTimersByTime(1)
    expect(rests.step()).toBe(-1)
    expect(found().sort()).toEqual([ready, other].sort())
    rests.begin(ready, EPOLLIN)
    rests.remove(ready)
    rests.remove(other)
    vi.advanceTimersByTime(1000)
    expect(rests.step()).toBe(-1)
    expect(found()).toEqual([])
  } finally {
    for (const fd of [epoll, ready, other]) close(fd)
  }
})
