#!/usr/bin/env node
import { program } from './program.ts'

/** As Docker's command line takes them: commander has no `--ipv4=false`. */
function switches(argv: readonly string[]): string[] {
  return argv.flatMap((word) => {
    const [, name, value] = /^--(ipv4|ipv6|internal|force)=(true|false)$/.exec(word) ?? []
    if (name === undefined) return [word]
    if (value === 'true') return [`--${name}`]
    return name.startsWith('ipv') ? [`--no-${name}`] : []
  })
}

// Whoever has read enough of it needs no more: `cnm network ls | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`cnm: standard output can't be written: ${error.code}\n`)
  process.exit(1)
})

const [, , command] = process.argv
const argv = command === 'network' ? switches(process.argv) : process.argv
await (await program(command)).parseAsync(argv)
