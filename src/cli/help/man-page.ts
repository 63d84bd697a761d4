import type { EventEmitter } from 'node:events'
import type { Argument, Command, Option } from 'commander'

/** A command's page in the language of `man`, made from the same texts as its help. */
export function manPage(command: Command, path: readonly string[], version: string): string {
  const name = path.join('-')
  const below = command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help')
  const options = command.options.filter(({ hidden }) => !hidden)
  return [
    `.TH "${escaped(name.toUpperCase())}" "1" "" "cnm ${escaped(version)}" "Container networking"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(command.description())}`,
    '.SH SYNOPSIS',
    `.B ${escaped(path.join(' '))}`,
    escaped(synopsis(command, below.length > 0)),
    ...section(
      'COMMANDS',
      below.flatMap((each) => entry(each.name(), each.description())),
    ),
    ...section('ARGUMENTS', command.registeredArguments.flatMap(argumentEntry)),
    ...section('OPTIONS', options.flatMap(optionEntry)),
    ...moreOf(command),
    ...section('EXIT STATUS', exitStatus(command)),
    ...section('SEE ALSO', [seeAlso(path, below)]),
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.some((line) => line !== '') ? [`.SH ${title}`, ...lines] : []
}

function entry(term: string, text: string): readonly string[] {
  return ['.TP', `.B ${escaped(term)}`, escaped(text)]
}

function argumentEntry(argument: Argument): readonly string[] {
  const choices = argument.argChoices?.join(', ') ?? ''
  return entry(argument.name().toUpperCase(), argument.description || choices)
}

function optionEntry({ flags, description }: Option): readonly string[] {
  return entry(flags, description)
}

function synopsis({ registeredArguments }: Command, isGroup: boolean): string {
  if (isGroup) return 'COMMAND'
  const words = registeredArguments.map((argument) => {
    const name = `${argument.name().toUpperCase()}${argument.variadic ? '…' : ''}`
    return argument.required ? name : `[${name}]`
  })
  return ['[OPTION]…', ...words].join(' ')
}

/** What the help says below the options: text, and examples that keep their lines. */
function moreOf(command: Command): readonly string[] {
  const [text = '', examples] = textAfter(command).split(/^Examples:$/m)
  const paragraphs = text.trim() === '' ? [] : text.trim().split('\n').map(escaped)
  const lines =
    examples
      ?.replace(/^\n+|\n+$/g, '')
      .split('\n')
      .map(escaped) ?? []
  return [
    ...section('DESCRIPTION', paragraphs),
    ...section('EXAMPLES', lines.length === 0 ? [] : ['.nf', ...lines, '.fi']),
  ]
}

/** Commander keeps it as a listener that writes it, which its types don't tell. */
function textAfter(command: Command): string {
  const listened = command as unknown as EventEmitter
  let text = ''
  const write = (part: string) => {
    text += part
  }
  listened.emit('afterHelp', { error: false, write, command })
  return text
}

const statuses: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'internal error'],
  ['2', 'invalid request or usage'],
  ['3', 'not found'],
  ['4', 'conflict'],
  ['5', 'forbidden'],
  ['6', 'unavailable: no daemon answers'],
  ['7', 'not implemented'],
  ['130', 'cancelled'],
]

function exitStatus({ registeredArguments }: Command): readonly string[] {
  const runs = registeredArguments.some((argument) => argument.name() === 'command')
  const own = runs ? [escaped("That of the program; if there is none, the error's:")] : []
  return [...own, ...statuses.flatMap(([status, text]) => entry(status, text))]
}

function seeAlso(path: readonly string[], below: readonly Command[]): string {
  const up = path.slice(0, -1)
  const others = [
    ...(up.length === 0 ? [] : [up.join('-')]),
    ...below.map((each) => [...path, each.name()].join('-')),
  ]
  return others.map((name) => `.BR ${escaped(name)} (1)`).join('\n')
}

/** What roff would take for something else: backslashes, hyphens, and dots and quotes that begin a line. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
}
