import { namesFloor } from './names-floor.ts'
import { NamesLibrary } from './names-library.ts'
import { namesPeers } from './names-peers.ts'
import { type AskReport, ask, type NamesSubject, startAsking } from './names-subject.ts'
import { session } from './session.ts'
import { median, ms, quantile, table } from './statistics.ts'

/**
 * Internal names: how many answers a second a sandbox gets from its resolver, what others do to that by
 * coming and going, and what the resolvers cost. Run by `make bench`, in a namespace that plays the host.
 */
const rounds = 5
const seconds = 1

type Run = Awaited<ReturnType<typeof ask>>

const head = ['answers a second', 'median', 'ratio', 'lost', 'p50 µs', 'p99 µs', 'cores', 'goal']

async function rates(subjects: readonly NamesSubject[]): Promise<string[][]> {
  const rows: string[][] = []
  for (const outstanding of [1, 10, 100]) {
    const samples = await inTurns(subjects, outstanding)
    const floor = middle(samples.get(subjects[0]!)!, 'rate')
    for (const [subject, runs] of samples) rows.push(rateRow(subject, outstanding, runs, floor))
  }
  return rows
}

/** All take turns, so that whatever else the machine does meets them all. */
async function inTurns(
  subjects: readonly NamesSubject[],
  outstanding: number,
): Promise<ReadonlyMap<NamesSubject, readonly Run[]>> {
  const samples = new Map<NamesSubject, Run[]>(subjects.map((subject) => [subject, []]))
  for (const subject of subjects) await ask(subject, outstanding, 0.2)
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects)
      samples.get(subject)!.push(await ask(subject, outstanding, seconds))
  }
  return samples
}

function rateRow(
  { name, goals }: NamesSubject,
  outstanding: number,
  runs: readonly Run[],
  floor: number,
): string[] {
  const rate = middle(runs, 'rate')
  return [
    `${outstanding} outstanding, ${name}`,
    thousands(rate),
    (rate / floor).toFixed(2),
    failures(runs),
    middle(runs, 'p50').toFixed(0),
    middle(runs, 'p99').toFixed(0),
    median(runs.map((run) => run.cores)).toFixed(2),
    goals[outstanding] ?? '',
  ]
}

function middle(runs: readonly AskReport[], what: 'rate' | 'p50' | 'p99'): number {
  return median(runs.map((run) => run[what]))
}

const thousands = (rate: number) => Math.round(rate).toLocaleString('en')

/** Queries that got no answer or a wrong one, of all rounds. */
function failures(runs: readonly AskReport[]): string {
  return String(runs.reduce((sum, { lost, errors }) => sum + lost + errors, 0))
}

/** A sandbox asks while 200 others on its network come and go. */
async function crowd(library: NamesLibrary): Promise<string[][]> {
  const { child, report } = startAsking(library.subject, 10, 600)
  await library.tell({ op: 'churn', count: 200, resolver: true })
  child.kill('SIGTERM')
  const run = await report
  return [
    ['while 200 sandboxes come and go', '', 'goal'],
    ['answers a second, 10 outstanding', thousands(run.rate), ''],
    ['lost or wrong', failures([run]), '0'],
    ['p99, ms', ms(run.p99 / 1000), '≤ 5'],
    ['longest, ms', ms(run.max / 1000), ''],
  ]
}

/** What the resolver adds to making and connecting a sandbox; in turns. */
async function attaching(library: NamesLibrary): Promise<string[][]> {
  const times = { with: [] as number[], without: [] as number[] }
  for (let round = 0; round < 10; round++) {
    for (const [which, resolver] of [
      ['with', true],
      ['without', false],
    ] as const)
      times[which].push(...(await library.tell({ op: 'churn', count: 20, resolver })).times)
  }
  const numbers = (list: readonly number[]) => [ms(median(list)), ms(quantile(list, 0.99))]
  return [
    ['attach, ms', 'median', 'p99', 'goal'],
    ['without a resolver', ...numbers(times.without), ''],
    ['with a resolver', ...numbers(times.with), '≤ 0.3 on top'],
    ['difference of the medians', ms(median(times.with) - median(times.without)), '', ''],
  ]
}

/** A row of the memory that engine and keeper take now. */
function memory(what: string, library: NamesLibrary): string[] {
  const { engine, keeper } = library.memory()
  return [what, engine.toFixed(1), keeper.toFixed(1)]
}

await session(async (folder) => {
  const library = await NamesLibrary.start(folder)
  const memories = [
    ['memory (PSS), MB', 'engine', 'keeper'],
    memory('1 sandbox, 10 networks', library),
  ]
  await library.tell({ op: 'fill', count: 10 })
  const { peers, missing } = await namesPeers(folder)
  const subjects = [
    await namesFloor('C, one packet a call'),
    await namesFloor('C, 64 a call', '64'),
    library.subject,
    ...peers,
  ]
  try {
    const answers = await rates(subjects)
    const crowded = await crowd(library)
    const attaches = await attaching(library)
    await library.tell({ op: 'fill', count: 1000 - 11 })
    memories.push(memory('1,000 sandboxes, 10 networks', library))
    return [
      table([head, ...answers]),
      ...missing,
      '',
      table(crowded),
      '',
      table(attaches),
      '',
      table(memories),
      '',
    ].join('\n')
  } finally {
    for (const subject of subjects.reverse()) await subject.close()
  }
})
