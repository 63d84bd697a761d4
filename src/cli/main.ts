#!/usr/bin/env node
import { asked, commonBehind, refuseStray } from './arguments/argv.ts'
import { program } from './program.ts'

/** As Docker's command line takes them: commander has no `--ipv4=false`. */
function switches(words: readonly string[]): readonly string[] {
  return words.flatMap((word) => {
    const [, name, value] = /^--(ipv4|ipv6|internal|force)=(true|false)$/.exec(word) ?? []
    if (name === undefined) return [word]
    if (value === 'true') return [`--${name}`]
    return name.startsWith('ipv') ? [`--no-${name}`] : []
  })
}

// A reader that has enough needs no more: `cnm network ls | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`cnm: standard output can't be written: ${error.code}\n`)
  process.exit(1)
})

// Nothing reads what is wrong; the exit status says it too.
process.stderr.on('error', () => {})

const written = commonBehind(process.argv.slice(2))
const given = asked(written)
const [command] = given
const words = command === 'network' ? switches(given) : given
const root = await program(command)
if (written[0] === 'help') refuseStray(root, written.slice(1))
await root.parseAsync(words, { from: 'user' })
