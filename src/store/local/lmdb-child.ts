// A process of its own around lmdb, of which a damaged file can be the end: `lmdb-process.ts` starts it.
// Usage: node lmdb-child.js is-there PARENT | read MDB JOURNAL PARENT | write JOURNAL MDB PARENT
import { writeSync } from 'node:fs'
import { recordKey } from '../store.ts'
import { Journal } from './journal.ts'
import { lineOf } from './journal-entry.ts'
import { readLmdb, writeLmdb } from './lmdb-file.ts'
import type { LmdbAnswer } from './lmdb-process.ts'
import { readJournal } from './read-journal.ts'

const [, , verb, from = '', to = ''] = process.argv
const parent = Number(process.argv.at(-1))

async function answer(): Promise<LmdbAnswer> {
  if (verb === 'is-there') return { wrong: [] }
  if (verb === 'write') {
    const { records, damage } = readJournal(from)
    endIfOrphaned()
    await writeLmdb(to, records)
    return { wrong: damage === undefined ? [] : [damage] }
  }
  const { records, wrong } = await readLmdb(from)
  const lines = records.map(({ kind, id, version, value }) => {
    return lineOf(recordKey(kind, id), version, value)
  })
  endIfOrphaned()
  Journal.create(to, lines).close()
  // More than a few sentences don't help.
  return { wrong: wrong.length > 10 ? [...wrong.slice(0, 9), `${wrong.length - 9} more`] : wrong }
}

/** Another engine may be at it by now. */
function endIfOrphaned(): void {
  if (process.ppid !== parent) process.exit(1)
}

function refusal(error: unknown): LmdbAnswer {
  const { syscall, code, message } = error as NodeJS.ErrnoException
  if (syscall === undefined || code === undefined) throw error
  return { wrong: [], refused: { code, message } }
}

writeSync(1, JSON.stringify(await answer().catch(refusal)))
