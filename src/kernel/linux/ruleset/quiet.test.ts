import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PortRange, parsePorts, portsOverlap, portsText } from '../../../address/port.ts'
import { quietChange } from './quiet.ts'

interface Ports {
  readonly exact?: readonly number[]
  readonly ranges?: readonly string[]
}

/** In texts: `8000-8010`. */
function change(present: Ports, ended: readonly string[], begun: readonly string[] = []) {
  const { exact = [], ranges = [] } = present
  const { remove, add } = quietChange(
    { exact, ranges: ranges.map(parsePorts) },
    ended.map(parsePorts),
    begun.map(parsePorts),
  )
  const texts = (ports: typeof add) => [...ports.exact.map(String), ...ports.ranges.map(portsText)]
  return { remove: texts(remove), add: texts(add) }
}

describe('ports that are published no longer', () => {
  it('are quiet, one by itself or as a range', () => {
    expect(change({}, ['80'])).toEqual({ remove: [], add: ['80'] })
    expect(change({}, ['80', '8000-8010'])).toEqual({ remove: [], add: ['80', '8000-8010'] })
    expect(change({}, ['80', '81', '81-90'])).toEqual({ remove: [], add: ['80-90'] })
  })

  it('are quiet as a range where there is room for nothing else', () => {
    const [web, next] = [parsePorts('80'), parsePorts('81')]
    const { remove, add } = quietChange({ exact: [80], ranges: [web] }, [web], [], false)
    expect([remove, add]).toEqual([
      { exact: [], ranges: [web] },
      { exact: [], ranges: [web] },
    ])
    const none = { exact: [], ranges: [web] }
    expect(quietChange(none, [], [web, next], false).remove).toEqual({ exact: [], ranges: [web] })
  })

  it('are quiet anew', () => {
    expect(change({ exact: [80, 81] }, ['80'])).toEqual({ remove: ['80'], add: ['80'] })
    expect(change({ ranges: ['1-9'] }, ['1-9'])).toEqual({ remove: ['1-9'], add: ['1-9'] })
  })

  it('become one with the quiet ranges that they meet', () => {
    const present = { ranges: ['1-9', '20-29', '40-49'] }
    expect(change(present, ['5-22'])).toEqual({ remove: ['1-9', '20-29'], add: ['1-29'] })
    expect(change(present, ['5'])).toEqual({ remove: [], add: ['5'] })
  })
})

describe('ports that are published', () => {
  it('are not quiet', () => {
    expect(change({ exact: [80] }, [], ['80'])).toEqual({ remove: ['80'], add: [] })
    expect(change({ exact: [79, 80, 90, 91] }, [], ['80-90'])).toEqual({
      remove: ['80', '90'],
      add: [],
    })
    expect(change({}, [], ['80', '1-9'])).toEqual({ remove: [], add: [] })
  })

  it('leave the rest of a range quiet', () => {
    const present = { ranges: ['1-9', '20-29'] }
    expect(change(present, [], ['5'])).toEqual({ remove: ['1-9'], add: ['1-4', '6-9'] })
    expect(change(present, [], ['8-30'])).toEqual({ remove: ['1-9', '20-29'], add: ['1-7'] })
    expect(change(present, [], ['1-9'])).toEqual({ remove: ['1-9'], add: [] })
  })

  it('are not quiet even if they were published before', () => {
    expect(change({}, ['80', '1-9'], ['80', '3-5'])).toEqual({ remove: [], add: ['1-2', '6-9'] })
  })
})

it('gives the kernel no ranges that overlap, and keeps quiet what is to be, whatever it is', () => {
  const range = fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.nat(12))
    .map(([from, more]): PortRange => ({ from, to: from + more }))
  const ranges = fc.array(range, { maxLength: 4 })
  const disjoint = ranges.map((list) =>
    list.filter((one, at) => !list.slice(0, at).some((other) => portsOverlap(one, other))),
  )
  const exact = fc.uniqueArray(fc.integer({ min: 1, max: 52 }), { maxLength: 6 })
  fc.assert(
    fc.property(exact, disjoint, ranges, ranges, (ports, present, ended, begun) => {
      const { remove, add } = quietChange({ exact: ports, ranges: present }, ended, begun)
      const left = present.filter((one) => !remove.ranges.includes(one))
      const after = [...left, ...add.ranges]
      for (const [at, one] of after.entries()) {
        expect(after.slice(0, at).some((other) => portsOverlap(one, other))).toBe(false)
      }
      const single = new Set([...ports.filter((it) => !remove.exact.includes(it)), ...add.exact])
      const isIn = (list: readonly PortRange[], port: number) =>
        list.some(({ from, to }) => from <= port && port <= to)
      for (let port = 1; port <= 52; port++) {
        const was = ports.includes(port) || isIn(present, port)
        const wanted = !isIn(begun, port) && (was || isIn(ended, port))
        expect(single.has(port) || isIn(after, port), `port ${port}`).toBe(wanted)
      }
    }),
  )
})
