import { expect, it } from 'vitest'
import { filterOf, hasLabel } from './filters.ts'

interface Thing {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

const filters = {
  name: ({ name }: Thing, text: string) => name === text,
  label: ({ labels }: Thing, text: string) => hasLabel(labels, text),
}
const things: readonly Thing[] = [
  { name: 'a', labels: { x: '1' } },
  { name: 'b', labels: { x: '2', y: '' } },
  { name: 'c', labels: {} },
]

it.each([
  [[], 'abc'],
  [['name=a', 'name=c'], 'ac'],
  [['label=x'], 'ab'],
  [['label=x', 'label=y'], 'b'],
  [['label=x=1'], 'a'],
  [['label=y='], 'b'],
  [['label=y=1'], ''],
  [['label=toString'], ''],
  [['label=x', 'name=b', 'name=c'], 'b'],
])('%j leaves %s', (texts, names) => {
  expect(things.filter(filterOf(texts, filters)).map(({ name }) => name)).toEqual([...names])
})

it.each(['colour=red', 'constructor=x', 'name', ''])('refuses %j', (text) => {
  expect(() => filterOf([text], filters)).toThrow(`"${text}" is no filter here`)
})
