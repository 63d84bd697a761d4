import { describe, expect, it } from 'vitest'
import type { Element } from './element.ts'
import { RememberedElements } from './remembered-elements.ts'

function element(key: string, more: Partial<Element> = {}): Element {
  return { family: 'inet', table: 't', set: 's', key: [key], owner: 'a', ...more }
}

const [one, two] = [element('1'), element('2', { value: ['accept'] })]

describe('remembered elements', () => {
  it('are those that were put there, as they were', () => {
    const known = new RememberedElements()
    known.begin(7)
    known.note({ remove: [], add: [one, two] })
    expect(known.generation).toBe(8)
    expect(known.find([element('2'), element('1')])).toEqual([two, one])
    known.note({ remove: [one], add: [] })
    expect(known.generation).toBe(9)
    expect(known.find([two])).toEqual([two])
    expect(known.find([one, two])).toBeUndefined()
  })

  it.each<[string, Element]>([
    ['in another set', element('1', { set: 'other' })],
    ['of another owner', element('1', { owner: 'b' })],
    ['of nobody', (({ owner, ...rest }) => rest)(element('1'))],
    ['in a run', element('1', { run: 2 })],
  ])('are not those %s', (_, other) => {
    const known = new RememberedElements()
    known.begin(7)
    known.note({ remove: [], add: [one] })
    expect(known.find([other])).toBeUndefined()
  })

  it('are none before it has begun, nor after it was forgotten', () => {
    const known = new RememberedElements()
    known.note({ remove: [], add: [one] })
    expect(known.find([one])).toBeUndefined()
    known.begin(7)
    known.note({ remove: [], add: [one] })
    known.forget()
    expect(known.generation).toBeUndefined()
    expect(known.find([one])).toBeUndefined()
    known.note({ remove: [], add: [one] })
    expect(known.find([one])).toBeUndefined()
  })

  it('are not those that go by themselves', () => {
    const known = new RememberedElements()
    known.begin(7)
    known.note({ remove: [], add: [element('1', { timeoutMs: 1000 })] })
    expect(known.find([one])).toBeUndefined()
  })

  it('are counted as the kernel does: nothing is no transaction, and none has the number 0', () => {
    const known = new RememberedElements()
    known.begin(0xffffffff)
    known.note({ remove: [], add: [] })
    expect(known.generation).toBe(0xffffffff)
    known.note({ remove: [], add: [one] })
    expect(known.generation).toBe(1)
  })
})
