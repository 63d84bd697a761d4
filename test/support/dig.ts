import type { LocalSandbox } from '#dist/linux/library.js'
import type { ThrowAwayHost } from './host.ts'

/** What dig says. */
export interface Dug {
  /** `NOERROR`, `NXDOMAIN`, …; undefined: there was no answer. */
  readonly status: string | undefined
  /** `qr aa rd ra` */
  readonly flags: readonly string[]
  /** Type and data of each record: `A 10.7.0.2`. */
  readonly answer: readonly string[]
  /** The same with their owners: `web. SOA …`. */
  readonly authority: readonly string[]
  readonly additional: readonly string[]
  /** Of the records in the answer. */
  readonly ttls: readonly number[]
  /** Extended errors: `18 (Prohibited): (…)`. */
  readonly errors: readonly string[]
  readonly text: string
}

const once = ['+tries=1', '+time=3', '+nocookie', '+noidnin', '+noidnout']

/** Asks the resolver of a sandbox, from inside it. */
export async function dig(box: LocalSandbox, ...question: readonly string[]): Promise<Dug> {
  const { stdout } = await box.exec(['dig', '@127.0.0.11', ...once, ...question])
  return read(stdout)
}

/** Asks at another address, in the namespace of that path. */
export async function digAt(
  host: ThrowAwayHost,
  path: string,
  server: string,
  ...question: readonly string[]
): Promise<Dug> {
  const argv = ['dig', `@${server}`, ...once, ...question].map((word) => `'${word}'`)
  // It fails where nothing answers; here that is an answer, too.
  return read(await host.inside(path, ['sh', '-c', `${argv.join(' ')} || true`]))
}

function read(text: string): Dug {
  const answer = section(text, 'ANSWER')
  return {
    status: /status: ([A-Z]+)/.exec(text)?.[1],
    flags: /flags: ([a-z ]+)/.exec(text)?.[1]?.split(' ') ?? [],
    answer: answer.map(([, , , type, ...data]) => [type, ...data].join(' ')),
    authority: section(text, 'AUTHORITY').map(([owner, , , ...rest]) => [owner, ...rest].join(' ')),
    additional: section(text, 'ADDITIONAL').map(([owner, , , ...rest]) =>
      [owner, ...rest].join(' '),
    ),
    ttls: answer.map(([, ttl]) => Number(ttl)),
    errors: [...text.matchAll(/^; EDE: (.+)$/gm)].map(([, error]) => error!),
    text,
  }
}

/** The records of a section, as words. */
function section(text: string, name: string): string[][] {
  const found = new RegExp(`^;; ${name} SECTION:\n((?:[^;\n].*\n)*)`, 'm').exec(text)?.[1] ?? ''
  return found
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/))
}
