import { describe, expect, it } from 'vitest'
import { hasStopped, newContainer, parseState } from './state.ts'

describe('the state of a container', () => {
  it('is what runc says while it makes one', () => {
    const text = `{"ociVersion":"1.0.2-dev","id":"c1","status":"creating","pid":71,"bundle":"/b","annotations":{"a":"b"}}`
    const state = parseState(text)
    expect(state).toMatchObject({ id: 'c1', pid: 71, bundle: '/b', annotations: { a: 'b' } })
    expect(newContainer(state).pid).toBe(71)
  })

  it('is what crun says then', () => {
    const text = `{"ociVersion":"1.0","id":"c1","pid":55,"root":"rootfs","bundle":"/b","status":"created"}`
    expect(newContainer(parseState(text)).pid).toBe(55)
  })

  it.each([
    `{"ociVersion":"1.0.2-dev","id":"c1","status":"stopped","bundle":"/b"}`,
    `{"ociVersion":"1.0","id":"c1","pid":0,"root":"rootfs","bundle":"/b","status":"stopped"}`,
  ])('tells the end: %s', (text) => {
    expect(hasStopped(parseState(text))).toBe(true)
  })

  it.each([
    ['', "there is no container's state on standard input"],
    ['{', "there is no container's state on standard input"],
    ['[]', "the container's state on standard input: must be object"],
    ['{"id":"c1","status":"stopped"}', 'must have required properties bundle'],
    ['{"id":"c1","status":"creating","pid":"1","bundle":"/b"}', 'pid must be integer'],
  ])('is refused: %s', (text, message) => {
    expect(() => parseState(text)).toThrow(message)
  })

  it.each([
    { status: 'running', pid: 1 },
    { status: 'paused', pid: 1 },
    { status: 'created', pid: 0 },
    { status: 'creating' },
  ])("can't be attached: %j", (rest) => {
    const state = { id: 'c1', bundle: '/b', ...rest }
    expect(hasStopped(state)).toBe(false)
    expect(() => newContainer(state)).toThrow(`container c1 is ${rest.status}`)
  })
})
