// Adds up vitest's JSON reports in .reports/, and prints `N passed, N failed` as the last line.
// Argument: the exit status of what ran the tests. A step that failed beside the tests (the build, a
// check, leftovers of the host tests) counts as one failure, so the line never contradicts the status.
import { readFileSync } from 'node:fs'
import { readReports } from './test-reports.mjs'

const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const status = Number(process.argv[2] ?? 0)
const { tests, brokenFiles } = readReports()

// A line allows every test whose `file > suite > test` begins with it; `*` stands for any text.
const allowed = readFileSync('test/allowed-skips.txt', 'utf8')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => new RegExp(`^${line.split('*').map(literally).join('.*')}`))
const passed = tests.filter((test) => test.status === 'passed').length
const skipped = tests.filter((test) => !['passed', 'failed'].includes(test.status))
const forbidden = skipped.filter((test) => !allowed.some((line) => line.test(test.name)))
let failed = tests.filter((test) => test.status === 'failed').length + brokenFiles.length

for (const test of forbidden)
  console.log(`skipped, but not in test/allowed-skips.txt: ${test.name}`)
failed += forbidden.length
if (failed === 0 && (status !== 0 || passed === 0)) {
  console.log('no test failed, but the run did: see above')
  failed = 1
}
const skips = skipped.length - forbidden.length
console.log(`${passed} passed, ${failed} failed${skips === 0 ? '' : `, ${skips} skipped`}`)
process.exitCode = failed === 0 ? 0 : 1
