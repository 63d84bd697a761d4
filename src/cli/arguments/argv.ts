import type { Command } from 'commander'

/**
 * `--host X` and `--json` before the command are put behind it, where commander knows them:
 * `cnm --json network ls` is `cnm network ls --json`.
 */
export function commonBehind(words: readonly string[]): readonly string[] {
  const count = countCommon(words)
  const [command, ...rest] = words.slice(count)
  if (count === 0 || command === undefined) return words
  const path = groups.includes(command) ? [command, ...rest.slice(0, 1)] : [command]
  return [...path, ...words.slice(0, count), ...rest.slice(path.length - 1)]
}

/** They have commands of their own. */
const groups = ['network', 'sandbox', 'endpoint']

function countCommon(words: readonly string[]): number {
  let count = 0
  for (;;) {
    const word = words[count]
    if (word === '--host') count += 2
    else if (word === '--json' || word?.startsWith('--host=')) count += 1
    else return count
  }
}

/** `cnm help network create` is `cnm network create --help`, which commander knows for one word only. */
export function asked(words: readonly string[]): readonly string[] {
  const [first, ...command] = words
  return first === 'help' && command.length > 1 ? [...command, '--help'] : words
}

/** Commander answers `help nonsense` with the help of what it knows. Ends with an error if one is no command. */
export function refuseStray(root: Command, words: readonly string[]): void {
  let place: Command = root
  for (const word of words) {
    if (word === 'help' || word.startsWith('-')) return
    const next = place.commands.find((each) => [each.name(), ...each.aliases()].includes(word))
    if (next === undefined) place.error(`error: unknown command '${word}'`)
    place = next
  }
}
