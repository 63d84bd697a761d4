import type { Command, Option } from 'commander'
import type { Controller } from '../../client/client.ts'

interface Candidate {
  readonly word: string
  readonly description: string
}

/** What the last word can become: a command, an option, or the name of something that there is. */
export async function candidates(
  root: Command,
  words: readonly string[],
): Promise<readonly Candidate[]> {
  const place = placeOf(root, words.slice(0, -1))
  const last = words.at(-1) ?? ''
  if (place === undefined) return []
  const [, name = '', value = ''] = /^(--[^=]+)=(.*)$/s.exec(last) ?? []
  const option = takesValue(place.command, name)
  if (option !== undefined && place.option === undefined && !place.isOver) {
    const found = begunWith(value, await possible({ ...place, option }, value))
    return found.map(({ word, description }) => ({ word: `${name}=${word}`, description }))
  }
  // To bash the `=` of `--network=web` is a word.
  const begun = place.option !== undefined && last === '=' ? '' : last
  return begunWith(begun, await possible(place, begun))
}

function begunWith(begun: string, found: readonly Candidate[]): readonly Candidate[] {
  return found.filter(({ word }) => word.startsWith(begun))
}

/** Where in the command line the cursor is. */
interface Place {
  readonly command: Command
  /** The option whose value comes next. */
  readonly option: Option | undefined
  /** How many arguments there are before it. */
  readonly arguments: number
  /** `--` was said, so no options follow. */
  readonly isOver: boolean
  readonly socket: string | undefined
}

/** undefined: in the command line of another program. */
function placeOf(root: Command, before: readonly string[]): Place | undefined {
  let command = root
  let option: Option | undefined
  let count = 0
  let isOver = false
  let socket: string | undefined
  for (const word of before) {
    if (option !== undefined && word === '=') continue
    if (option !== undefined) {
      if (option.long === '--host') socket = word
      option = undefined
    } else if (word === '--' && !isOver) isOver = true
    else if (word.startsWith('-') && !isOver) option = takesValue(command, word)
    else {
      const below = command.commands.find((each) => [each.name(), ...each.aliases()].includes(word))
      if (below !== undefined && count === 0) command = below
      else count += 1
      if (isForeign(command, count)) return undefined
    }
  }
  return { command, option, arguments: count, isOver, socket }
}

function takesValue(command: Command, word: string): Option | undefined {
  const option = command.options.find(({ short, long }) => short === word || long === word)
  return option?.required || option?.optional ? option : undefined
}

/** Whether what follows belongs to the program that is to be run. */
function isForeign({ registeredArguments: all }: Command, count: number): boolean {
  const at = all.findIndex((argument) => argument.name() === 'command')
  return at !== -1 && count > at
}

async function possible(place: Place, begun: string): Promise<readonly Candidate[]> {
  const { command, option, isOver, socket } = place
  if (option !== undefined) return namesFor(nameIn(option.flags), socket, option.argChoices)
  if (begun.startsWith('-') && !isOver) {
    return command.options
      .filter(({ hidden }) => !hidden)
      .map(({ long, description }) => ({ word: long ?? '', description }))
      .concat({ word: '--help', description: 'show how it is used' })
  }
  if (command.commands.length > 0) {
    return command
      .createHelp()
      .visibleCommands(command)
      .map((each) => ({ word: each.name(), description: each.description() }))
  }
  const { registeredArguments: all } = command
  const argument = all[place.arguments] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined)
  if (argument === undefined) return []
  return namesFor(argument.name(), socket, argument.argChoices)
}

/** `network` in `--network <network>` */
function nameIn(flags: string): string {
  return /<([^>]+)>/.exec(flags)?.[1] ?? ''
}

const named: Readonly<Record<string, (cnm: Controller) => Promise<readonly Candidate[]>>> = {
  network: async (cnm) =>
    (await cnm.networks()).map(({ info }) => ({ word: info.name, description: info.driver })),
  plugin: async (cnm) =>
    (await cnm.plugins()).map(({ name, state }) => ({ word: name, description: state })),
  sandbox: async (cnm) =>
    (await cnm.sandboxes()).map(({ info }) => ({ word: info.name, description: info.origin })),
  endpoint: async (cnm) => {
    const [endpoints, networks] = await Promise.all([cnm.endpoints(), cnm.networks()])
    const names = new Map(networks.map(({ id, name }) => [id, name]))
    return endpoints.map(({ info }) => ({
      word: `${names.get(info.network)}/${info.name}`,
      description: info.ipv4 ?? info.ipv6 ?? '',
    }))
  },
}

async function namesFor(
  what: string,
  socket: string | undefined,
  choices: readonly string[] | undefined,
): Promise<readonly Candidate[]> {
  if (choices !== undefined) return choices.map((word) => ({ word, description: '' }))
  const list = named[what]
  if (list === undefined) return []
  const { connectController } = await import('../../client/client.ts')
  const cnm = await connectController(socket === undefined ? {} : { socket })
  try {
    return await list(cnm)
  } finally {
    await cnm.close()
  }
}
