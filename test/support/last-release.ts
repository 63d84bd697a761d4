import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Builds are kept: a commit never changes. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const releases = join(root, '.releases')
const commit = readFileSync(join(root, 'test/last-release'), 'utf8').trim()

/** Whether the last release's sources can be had: a checkout without its history doesn't have them. */
export const hasLastRelease = existsSync(join(releases, commit)) || knows(commit)

/** The program `cnm` of the last release, built from its commit (`test/last-release`). Slow the first time. */
export function lastRelease(): string {
  const folder = join(releases, commit)
  if (!existsSync(folder)) build(folder)
  return join(folder, 'dist/cli/main.js')
}

/** Beside its place, which it takes when it is complete: several tests may build it at once. */
function build(folder: string): void {
  const building = `${folder}-${process.pid}`
  mkdirSync(building, { recursive: true })
  try {
    const sources = git('archive', '--format=tar', commit)
    execFileSync('tar', ['-xf', '-', '-C', building], { input: sources, timeout: 60_000 })
    symlinkSync(join(root, 'node_modules'), join(building, 'node_modules'))
    for (const argv of [
      ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
      ['scripts/bundle.mjs'],
    ]) {
      execFileSync(process.execPath, argv, { cwd: building, timeout: 300_000, stdio: 'pipe' })
    }
    if (!existsSync(folder)) renameSync(building, folder)
  } finally {
    rmSync(building, { recursive: true, force: true })
  }
}

function knows(revision: string): boolean {
  try {
    git('cat-file', '-e', `${revision}^{commit}`)
    return true
  } catch {
    return false
  }
}

function git(...args: string[]): Buffer {
  const options = { cwd: root, timeout: 60_000, maxBuffer: 1 << 28, stdio: 'pipe' } as const
  return execFileSync('git', args, options)
}
