import { expect, it } from 'vitest'
import { commonBehind } from './argv.ts'

it.each([
  ['--json network ls -q', 'network ls --json -q'],
  ['--host /run/x.sock --json status', 'status --host /run/x.sock --json'],
  ['--host=/run/x.sock run -- ls --json', 'run --host=/run/x.sock -- ls --json'],
  ['--json endpoint', 'endpoint --json'],
])('takes common options before the command: %s', (given, expected) => {
  expect(commonBehind(given.split(' ')).join(' ')).toBe(expected)
})

it.each(['run ls --json', '--help', '--json', '--host', '--host /run/x.sock', '--jsn status'])(
  'leaves the rest as it is: %s',
  (given) => {
    expect(commonBehind(given.split(' ')).join(' ')).toBe(given)
  },
)
