// What vitest's JSON reports in .reports/ say: every test by its whole name, and files that failed without one.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

export const reports = '.reports'

export function readReports() {
  const files = existsSync(reports)
    ? readdirSync(reports)
        .filter((name) => name.endsWith('.json'))
        .flatMap((name) => JSON.parse(readFileSync(`${reports}/${name}`, 'utf8')).testResults)
    : []
  const tests = files.flatMap((file) =>
    file.assertionResults.map((test) => ({
      name: [relative('.', file.name), ...test.ancestorTitles, test.title].join(' > '),
      status: test.status,
    })),
  )
  const brokenFiles = files
    .filter(
      (file) =>
        file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
    )
    .map((file) => relative('.', file.name))
  return { tests, brokenFiles }
}
