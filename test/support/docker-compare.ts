import { finish } from './finish.ts'

/** One difference between what two daemons made the same command say: where, and both sides. */
export interface Difference {
  readonly command: string
  /** `exit`, `stdout`, `stderr`, or a path into the JSON that was printed: `0.IPAM.Config`. */
  readonly at: string
  readonly ours: unknown
  readonly theirs: unknown
}

/** Runs a command against both; `{web}` in it stands for the id of that network. */
export async function compare(
  docker: string,
  sockets: { readonly ours: string; readonly theirs: string },
  command: string,
): Promise<readonly Difference[]> {
  const [ours, theirs] = await Promise.all([
    ask(docker, sockets.ours, command),
    ask(docker, sockets.theirs, command),
  ])
  const found = [
    { at: 'exit', ours: ours.code, theirs: theirs.code },
    { at: 'stderr', ours: plain(ours.stderr), theirs: plain(theirs.stderr) },
    ...outputs(inOrder(command, ours.stdout), inOrder(command, theirs.stdout)),
  ]
  return found.filter((each) => each.ours !== each.theirs).map((each) => ({ command, ...each }))
}

/** dockerd prunes in no order: what is said of that is compared line by line, whichever comes first. */
function inOrder(command: string, text: string): string {
  const isOfPrune = command.startsWith('network prune') || command.includes('event=prune')
  return isOfPrune ? text.split('\n').sort().join('\n') : text
}

async function ask(docker: string, socket: string, command: string) {
  const words = command.match(/'[^']*'|\S+/g) ?? []
  const args: string[] = []
  for (const word of words) args.push(await filled(docker, socket, word.replaceAll("'", '')))
  return finish([docker, '-H', `unix://${socket}`, ...args])
}

async function filled(docker: string, socket: string, word: string): Promise<string> {
  const [whole = '', name] = /(?<!\{)\{(\w+)\}(?!\})/.exec(word) ?? []
  if (name === undefined) return word
  const inspect = ['network', 'inspect', '--format', '{{.Id}}', name]
  const { stdout } = await finish([docker, '-H', `unix://${socket}`, ...inspect])
  return word.replace(whole, stdout.trim().slice(0, 12))
}

type Output = Pick<Difference, 'at' | 'ours' | 'theirs'>

function outputs(ours: string, theirs: string): readonly Output[] {
  const [a, b] = [jsonOf(ours), jsonOf(theirs)]
  if (a === undefined || b === undefined) {
    return [{ at: 'stdout', ours: plain(ours), theirs: plain(theirs) }]
  }
  const [left, right] = [leaves(a), leaves(b)]
  const paths = new Set([...left.keys(), ...right.keys()])
  return [...paths].map((at) => ({ at, ours: left.get(at), theirs: right.get(at) }))
}

/** JSON, also of several lines; undefined: it is none. */
function jsonOf(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    const lines = text.split('\n').filter((line) => line !== '')
    try {
      return lines.map((line) => JSON.parse(line))
    } catch {
      return undefined
    }
  }
}

/** Every value by its path, with what differs from run to run made the same. Empty ones are values. */
function leaves(value: unknown, path: readonly string[] = []): Map<string, unknown> {
  const isNested = typeof value === 'object' && value !== null && Object.keys(value).length > 0
  if (!isNested) return new Map([[path.join('.'), leaf(value, path.at(-1))]])
  const entries = Object.entries(value).flatMap(([key, inner]) => [
    ...leaves(inner, [...path, plain(key)]),
  ])
  return new Map(entries)
}

function leaf(value: unknown, key = ''): unknown {
  if (/^time(Nano)?$/i.test(key)) return `<${typeof value}>`
  if (typeof value === 'object') return JSON.stringify(value)
  return typeof value === 'string' ? plain(value) : value
}

/** A text without ids, times, the addresses of links, and the width of columns. */
function plain(text: string): string {
  return text
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<id>')
    .replaceAll(/\b[0-9a-f]{12}\b/g, '<short>')
    .replaceAll(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, '<time>')
    .replaceAll(/[ \t]+/g, ' ')
    .trim()
}
