#!/usr/bin/env node
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

/** `cnm help network create` is `cnm network create --help`, which commander knows for one word only. */
function asked(words: readonly string[]): readonly string[] {
  const [first, ...command] = words
  return first === 'help' && command.length > 1 ? [...command, '--help'] : words
}

// Whoever has read enough of it needs no more: `cnm network ls | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`cnm: standard output can't be written: ${error.code}\n`)
  process.exit(1)
})

// Nobody hears what is wrong; the exit status says it too.
process.stderr.on('error', () => {})

const given = asked(process.argv.slice(2))
const [command] = given
const words = command === 'network' ? switches(given) : given
await (await program(command)).parseAsync(words, { from: 'user' })
